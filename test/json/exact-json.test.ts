import { parseExactJson } from '@osa/core/json/exact';
import { parseJson } from '@osa/core/json/parse';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';

/** After these, V8 takes other keys that begin with an escape for a backslash. */
const poisons = ['{"k":[],"\\\\":0}', '{"":0,"\\\\":1}', '{"\\\\":1}', '{"a":{"b":1,"\\\\":2}}'];
beforeEach(() => {
  for (const text of poisons) JSON.parse(text);
});

const wrong = '{"k":1,"\\"":2}';

test('V8 still has the defect: when it has not, what goes around it can go', () => {
  expect(Object.keys(JSON.parse(wrong))).toEqual(['k', '\\']);
});

test.each([
  [wrong, ['k', '"']],
  ['{"k":1,"\\n":2,"\\u0064":3}', ['k', '\n', 'd']],
  ['{"":1,"\\"":2,"\\\\":3}', ['', '"', '\\']],
  ['{"k":1, "a\\"b" : 2, "\\u005f_proto__":3}', ['k', 'a"b', '__proto__']],
  ['{"k":1,"\\"":"\\"\\\\\\":","\ue0000":5,"\ue000\\n":6}', ['k', '"', '\ue0000', '\ue000\n']],
])('the keys of %s', (text, keys) => {
  const found = parseExactJson(text) as object;
  expect(Object.keys(found)).toEqual(keys);
  expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
});

test('numbers keep their digits beside such keys', () => {
  const text = '{"k":[9007199254740993,{"\\"":0.1234567890123456789}],"\\\\":1}';
  expect(JSON.stringify(parseExactJson(text))).toBe(text);
});

test.each(['{"\\":1}', '{"k":1,"\\x":2}', '{"\\"":1', '\\', '"\\u00"', '{"a\\"": }'])(
  '%s is refused',
  (text) => {
    expect(() => parseExactJson(text)).toThrow(SyntaxError);
  },
);

const many = 3_500_000;

test.each([
  ['a run of what could mark a key', `{"a":"${'\ue000'.repeat(349_000)}\\\\"}`],
  [
    'keys with escapes beside it',
    JSON.stringify(
      Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`\t${n}`, '\ue000'.repeat(4)])),
    ),
  ],
  ['a text of escapes', `{"\\n":"${'\\n'.repeat(many)}"}`],
  ['a text of backslashes', `{"\\n":"${'\\\\'.repeat(many)}"}`],
  ['blanks behind texts', `[${`"\\n"${' '.repeat(100)},`.repeat(40_000)}1]`],
])('%s comes back, and soon', (_, text) => {
  const expected = JSON.stringify(parseJson(text, { maxDepth: 2 }));
  expect(JSON.stringify(parseExactJson(text)) === expected).toBe(true);
});

test('quotes that never end are refused, and soon', () => {
  expect(() => parseExactJson(`{"a":"${'\\"'.repeat(many)}`)).toThrow(SyntaxError);
});

test('any value comes back, whatever was parsed before', () => {
  const character = fc.constantFrom('"', '\\', '\n', 'n', 'u', ':', '{', '}', ' ', '\ue000', '0', 'é');
  const word = fc.string({ unit: character, maxLength: 4 });
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      word,
      fc.integer(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(word, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, (written) => {
      const text = JSON.stringify(written);
      expect(JSON.stringify(parseExactJson(text))).toBe(text);
      // The parser of what comes from outside shares nothing with it.
      expect(JSON.stringify(parseJson(text))).toBe(text);
    }),
    { numRuns: 3_000 },
  );
});
