import { OsaError } from '@osa/core/error';
import { asInt64, isKeptByDouble, JsonNumber } from '@osa/core/json/number';
import { parseJson } from '@osa/core/json/parse';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('numbers', () => {
  test('an integer is exact or refused; a fraction is the nearest double', () => {
    expect(() => parseJson('[9007199254740993]')).toThrow('at byte 1: 9007199254740993 is an integer');
    expect(parseJson('0.1')).toBe(0.1);
    expect(parseJson('6.02214076e23')).toBe(6.02214076e23);
    expect(Object.is(parseJson('-0'), -0)).toBe(true);
  });

  test('whatever JSON.stringify writes of a double is kept', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
        const text = JSON.stringify(double);
        expect(isKeptByDouble(text)).toBe(true);
        expect(parseJson(text)).toBe(JSON.parse(text));
      }),
    );
  });

  test('kept numbers are doubles, or raw JSON with their digits where no double has their value', () => {
    const text = '[1.10,9007199254740993,0.1000000000000000055,1e22,-0]';
    const value = parseJson(text, { numbers: 'kept' });
    expect(JSON.stringify(value)).toBe('[1.1,9007199254740993,0.1000000000000000055,1e+22,0]');
    expect(() => parseJson('[1e400]', { numbers: 'kept' })).toThrow('1e400 is beyond the range of a double');
  });

  test('strict numbers are refused where a double would change their value', () => {
    expect(parseJson('[0.1,1e300,9007199254740992]', { numbers: 'strict' })).toEqual([0.1, 1e300, 2 ** 53]);
    for (const number of ['9007199254740993', '1152921504606846976', '0.1000000000000000055']) {
      expect(() => parseJson(`[${number}]`, { numbers: 'strict' })).toThrow(`at byte 1: ${number} `);
    }
  });

  test('numbers are kept in an object under the key that is named, and nowhere else', () => {
    const options = { numbers: 'strict', keptUnder: 'config' } as const;
    const text = '{"hooks":[{"config":{"a":{"b":[9007199254740993]}},"n":1}]}';
    expect(JSON.stringify(parseJson(text, options))).toBe(text);
    for (const outside of [
      '{"config":{},"n":9007199254740993}',
      '{"config":9007199254740993}',
      '{"config":[9007199254740993]}',
      '{"a":{"config":{"b":1}},"c":[9007199254740993]}',
    ]) {
      expect(() => parseJson(outside, options)).toThrow('9007199254740993 is an integer');
    }
  });

  test('a text whose numbers would be too long without their exponents is refused', () => {
    const text = `[${Array.from({ length: 10 }, () => '1e300').join(',')}]`;
    expect(parseJson(text, { maxPlainLength: 3_021 })).toHaveLength(10);
    expect(() => parseJson(text, { maxPlainLength: 3_020 })).toThrow(
      expect.objectContaining({ code: 'too_large', details: { limit: 3_020 } }),
    );
  });

  test('exact numbers keep their text', () => {
    expect(parseJson('[9223372036854775808, 1.50]', { numbers: 'exact' })).toEqual([
      new JsonNumber('9223372036854775808'),
      new JsonNumber('1.50'),
    ]);
    expect(() => parseJson('[1e400]', { numbers: 'exact' })).toThrow(OsaError);
  });

  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['-0.0', '0'],
    ['1.0', '1'],
    ['1e2', '100'],
    ['150e-1', '15'],
    ['1.5e1', '15'],
    ['-12', '-12'],
    ['0.0e5', '0'],
    ['9223372036854775807', '9223372036854775807'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['9223372036854775808', undefined],
    ['-9223372036854775809', undefined],
    ['1e19', undefined],
    ['1e300', undefined],
    ['1.5', undefined],
    ['1e-1', undefined],
    ['9007199254740993', '9007199254740993'],
  ])('%s as an integer of 64 bits is %s', (text, integer) => {
    expect(asInt64(text)).toBe(integer);
  });
});
