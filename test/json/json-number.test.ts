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
