import {
  compareNumbers,
  isInteger,
  keptNumber,
  plainLength,
  spellNumber,
  spellNumbers,
} from '@osa/core/json/decimal';
import { parseExactJson } from '@osa/core/json/exact';
import { isKeptByDouble } from '@osa/core/json/number';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** One spelling for each decimal value: that of the double which keeps it, else its digits. */

test.each([
  ['1988920000000000000000000000000', '1.98892e+30'],
  ['10000000000000000000000', '1e+22'],
  ['1.10', '1.1'],
  ['1.0', '1'],
  ['-0', '0'],
  ['0.00000000015', '1.5e-10'],
  ['9007199254740993', '9007199254740993'],
  ['1152921504606846976', '1152921504606846976'],
  ['123456789012345678901234567890', '123456789012345678901234567890'],
  ['1.2345678901234567890123e30', '1234567890123456789012300000000'],
  ['0.1000000000000000055', '0.1000000000000000055'],
  ['1.2345678901234567890123e-20', '1.2345678901234567890123e-20'],
])('%s is spelled %s, everywhere', (written, spelled) => {
  expect(spellNumber(written)).toBe(spelled);
  expect(spellNumber(spelled)).toBe(spelled);
  expect(JSON.stringify(keptNumber(written))).toBe(spelled);
  expect(spellNumbers(`{"a": [${written}], "b": "${written}"}`)).toBe(
    `{"a": [${spelled}], "b": "${written}"}`,
  );
});

test('a text that PostgreSQL made of doubles is read as these doubles, and spelled as JSON.stringify does', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
      const text = JSON.stringify(double);
      const [mantissa = '', exponent] = text.split('e');
      const plain = exponent?.startsWith('+')
        ? mantissa.replace('.', '') + '0'.repeat(Number(exponent) - (mantissa.split('.')[1]?.length ?? 0))
        : text;
      expect(spellNumbers(`[${plain}]`)).toBe(`[${text}]`);
      expect(JSON.stringify(parseExactJson(`[${plain}]`))).toBe(`[${text}]`);
      expect(isKeptByDouble(plain)).toBe(true);
    }),
  );
});

test('each number of a text is spelled, whatever it looks like', () => {
  const digits = fc.string({ unit: fc.constantFrom('0', '1', '5', '9'), minLength: 1, maxLength: 20 });
  const whole = digits.map((text) => text.replace(/^0+(?=\d)/, ''));
  const fraction = fc.oneof(
    fc.constant(''),
    digits.map((text) => `.${text}`),
  );
  const exponent = fc.constantFrom('', '', 'e5', 'E+22', 'e-7');
  fc.assert(
    fc.property(fc.constantFrom('', '-'), whole, fraction, exponent, (...parts) => {
      const number = parts.join('');
      expect(spellNumbers(`[${number}]`)).toBe(`[${spellNumber(number)}]`);
      expect(spellNumbers(number)).toBe(spellNumber(number));
    }),
    { numRuns: 5_000 },
  );
});

test.each([
  ['9007199254740993', '9007199254740992'],
  ['9007199254740993', '9007199254740992.5'],
  ['0.1000000000000000055', '0.1'],
  ['123456789012345678901234567890', '1e29'],
  ['1e300', '123456789012345678901234567890'],
  ['-0.1', '-0.1000000000000000055'],
  ['0', '-12345678901234567890'],
  ['2', '1'],
])('%s is more than %s', (more, less) => {
  const [left, right] = [keptNumber(more), keptNumber(less)];
  expect(compareNumbers(left, right)).toBeGreaterThan(0);
  expect(compareNumbers(right, left)).toBeLessThan(0);
  expect(compareNumbers(left, left)).toBe(0);
});

test.each([
  ['9007199254740993', true],
  ['1.2345678901234567890123e30', true],
  ['9007199254740992.5', false],
  ['1e300', true],
  ['0.5', false],
])('%s is an integer: %s', (text, expected) => {
  expect(isInteger(keptNumber(text))).toBe(expected);
});

test.each([
  ['1e308', 309],
  ['-1.5e3', '-1500'.length],
  ['1e-308', '0.'.length + 308],
  ['-1.25e-3', '-0.00125'.length],
  ['0e999', 1],
  ['1.234e2', '123.4'.length],
  ['123e-2', '1.23'.length],
  ['5e0', 1],
])('%s has %i characters when it is written without an exponent', (text, length) => {
  expect(plainLength(text)).toBe(length);
});
