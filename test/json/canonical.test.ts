import { canonicalJson } from '@osa/core/json/canonical';
import { parseJson } from '@osa/core/json/parse';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const kept = (text: string) => parseJson(text, { numbers: 'kept' });

test('the example of RFC 8785, section 3.2, has its canonical form', () => {
  const source = String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`;
  expect(canonicalJson(parseJson(source))).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
});

test('members are sorted by the UTF-16 units of their keys, as in RFC 8785, section 3.2.3', () => {
  const keys = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
  const object = Object.fromEntries(keys.map((key) => [key, 0]));
  expect(Object.keys(JSON.parse(canonicalJson(object)))).toEqual([
    ...['1', '\r', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33'],
  ]);
  expect(canonicalJson({ '2': 0, '10': 0, a: undefined })).toBe('{"10":0,"2":0}');
});

test('numbers of one value have one form, whatever they were written as', () => {
  for (const text of [
    '9007199254740993',
    '9007199254740993.0',
    '9007199254740993e0',
    '90071992547409930E-1',
  ]) {
    expect(canonicalJson(kept(`{"id":${text}}`))).toBe('{"id":9007199254740993}');
  }
  expect(canonicalJson(kept('[1.10,1e22,-0,0.12345678901234567890]'))).toBe(
    '[1.1,1e+22,0,0.1234567890123456789]',
  );
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined, [undefined], '\ud800', { '\ud800': 1 }])(
  'a value without JSON form is refused: %j',
  (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  },
);

test('the form is JSON of the same value, and its own canonical form', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      fc.pre(JSON.stringify(value).isWellFormed() && !/\\ud[89a-f]/.test(JSON.stringify(value)));
      const text = canonicalJson(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    }),
  );
});
