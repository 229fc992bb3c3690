import { keptNumber, spellNumber, spellNumbers } from '@osa/core/json/decimal';
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
