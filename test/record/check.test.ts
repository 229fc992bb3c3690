import { parseJson } from '@osa/core/json/parse';
import { metadataChecker } from '@osa/core/record/check';
import type { FieldDefinition } from '@osa/core/record/schema';
import { describe, expect, test } from 'vitest';

const field = (part: Partial<FieldDefinition> & Pick<FieldDefinition, 'name' | 'type'>): FieldDefinition => ({
  required: false,
  cardinality: 'exactly_one',
  ...part,
});

const fields = [
  field({ name: 'magnitude', type: 'number', required: true }),
  field({ name: 'place', type: 'text' }),
  field({ name: 'time', type: 'date' }),
  field({ name: 'felt', type: 'boolean' }),
  field({ name: 'url', type: 'url' }),
];

const wrongWith = (schema: readonly FieldDefinition[], metadata: unknown) =>
  metadataChecker(schema)(metadata);

/** The flaw of one value in a field that is the whole schema. */
function check(part: Partial<FieldDefinition> & Pick<FieldDefinition, 'type'>, value: unknown): string[] {
  return wrongWith([field({ name: 'x', ...part })], { x: value });
}

describe('fields', () => {
  test('a record that keeps the schema', () => {
    const record = {
      magnitude: 5.4,
      place: null,
      time: '2026-01-31',
      felt: true,
      url: 'https://a.example/b?c=d#e',
    };
    expect(wrongWith(fields, record)).toEqual([]);
    expect(wrongWith(fields, { magnitude: 0 })).toEqual([]);
  });

  test('all problems at once, each with field, value and rule', () => {
    expect(
      wrongWith(fields, {
        magnitude: 'abc',
        place: 7,
        time: '2026-02-30',
        felt: 'true',
        url: 'a.example',
      }),
    ).toEqual([
      'magnitude: "abc" is not a number',
      'place: 7 is not a text',
      expect.stringContaining('time: "2026-02-30" is not a date'),
      'felt: "true" is not true or false',
      'url: "a.example" is not an absolute URL of http, https or ftp',
    ]);
  });

  test('a required field that is absent or null', () => {
    expect(wrongWith(fields, {})).toEqual(['magnitude: is required, but is absent']);
    expect(wrongWith(fields, { magnitude: null })).toEqual(['magnitude: is required, but is null']);
  });

  test('an unknown field, with the one that was meant', () => {
    expect(wrongWith(fields, { magnitude: 1, magntude: 1 })).toEqual([
      '"magntude": is not a field of the schema (did you mean "magnitude"?)',
    ]);
    expect(wrongWith(fields, parseJson('{"magnitude":1,"__proto__":{"place":1}}'))).toEqual([
      '"__proto__": is not a field of the schema',
    ]);
  });

  test('a field may be called as what objects inherit', () => {
    const odd = [field({ name: 'constructor', type: 'text', required: true })];
    expect(wrongWith(odd, {})).toEqual(['constructor: is required, but is absent']);
    expect(wrongWith(odd, { constructor: 'Bunsen' })).toEqual([]);
  });

  test.each([null, [], 'a', 1, true])('metadata that is no object: %j', (metadata) => {
    expect(wrongWith(fields, metadata)).toEqual([expect.stringMatching(/^metadata: .* is not an object$/)]);
  });

  test('values are cut and escaped', () => {
    const [reason = ''] = check({ type: 'number' }, `\u001b[2J${'x'.repeat(1_000)}`);
    expect(reason).toMatch(/^x: "\\u001b\[2Jx+… is not a number$/);
    expect(reason.length).toBeLessThan(110);
  });

  test('a flood of problems is counted, not listed', () => {
    const flood = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, index) => [`field_${index}`, index]),
    );
    const reasons = wrongWith(fields, { magnitude: 1, ...flood });
    expect(reasons).toHaveLength(101);
    expect(reasons.at(-1)).toBe('and 99900 more problems');
  });
});

describe('cardinality', () => {
  test.each([
    ['exactly_one', ['a'], 1],
    ['one_or_more', 'a', 1],
    ['one_or_more', [], 1],
    ['one_or_more', ['a', 'b'], 0],
    ['zero_or_more', [], 0],
    ['zero_or_more', {}, 1],
    ['zero_or_more', ['a', null, 7], 2],
  ] as const)('%s of %j', (cardinality, value, problems) => {
    expect(check({ type: 'text', cardinality }, value)).toHaveLength(problems);
  });

  test('elements are named by their place', () => {
    expect(check({ type: 'text', cardinality: 'one_or_more' }, ['a', 7])).toEqual(['x[1]: 7 is not a text']);
  });
});

describe('constraints', () => {
  test('length counts code points', () => {
    const constraints = { type: 'text', min_length: 2, max_length: 3 } as const;
    expect(check({ type: 'text', constraints }, '😀😀😀')).toEqual([]);
    expect(check({ type: 'text', constraints }, '😀')).toEqual(['x: "😀" has 1 characters, fewer than 2']);
    expect(check({ type: 'text', constraints }, 'abcd')).toEqual(['x: "abcd" has 4 characters, more than 3']);
  });

  test('numbers', () => {
    const constraints = { type: 'number', min_value: 0, max_value: 10, integer_only: true } as const;
    expect(check({ type: 'number', constraints }, 10)).toEqual([]);
    expect(check({ type: 'number', constraints }, 0.5)).toEqual(['x: 0.5 is not an integer']);
    expect(check({ type: 'number', constraints }, -1)).toEqual(['x: -1 is less than 0']);
    expect(check({ type: 'number', constraints }, 11)).toEqual(['x: 11 is more than 10']);
    expect(check({ type: 'number' }, Number.NaN)).toHaveLength(1);
  });

  test('numbers with more digits than a double keeps, by their exact value', () => {
    const exact = (text: string) => parseJson(text, { numbers: 'kept' });
    const constraints = { type: 'number', max_value: 2 ** 53, integer_only: true } as const;
    expect(check({ type: 'number', constraints }, exact('9007199254740992'))).toEqual([]);
    expect(check({ type: 'number', constraints }, exact('9007199254740993'))).toEqual([
      'x: 9007199254740993 is more than 9007199254740992',
    ]);
    expect(check({ type: 'number', constraints }, exact('0.1000000000000000055'))).toEqual([
      'x: 0.1000000000000000055 is not an integer',
    ]);
    const least = { type: 'number', min_value: 0.1 } as const;
    expect(check({ type: 'number', constraints: least }, exact('0.0999999999999999999'))).toEqual([
      'x: 0.0999999999999999999 is less than 0.1',
    ]);
    expect(check({ type: 'text' }, exact('9007199254740993'))).toEqual(['x: 9007199254740993 is not a text']);
    expect(wrongWith(fields, exact('9007199254740993'))).toEqual([
      'metadata: 9007199254740993 is not an object',
    ]);
  });

  test.each([
    ...['2026-01-31', '2024-02-29', '2000-02-29', '2026-01-31T23:59:59Z', '2026-01-31t00:00:00.123456z'],
    ...['2026-01-31T00:00:00+05:30', '0001-01-01', '9999-12-31'],
    ...['0001-01-02T00:00:00Z', '0001-01-02T15:59:00+15:59', '9999-12-30T23:59:59.999999Z'],
  ])('the date %s', (value) => {
    expect(check({ type: 'date' }, value)).toEqual([]);
  });

  test.each([
    ...[
      '2026-02-30',
      '2023-02-29',
      '1900-02-29',
      '2026-13-01',
      '2026-00-01',
      '2026-01-00',
      '0000-01-01',
      '2026-1-1',
    ],
    ...[
      '2026-01-31T00:00:00',
      '2026-01-31 00:00:00Z',
      '2026-01-31T24:00:00Z',
      '2026-01-31T00:60:00Z',
      '20260131',
    ],
    ...[
      '2026-01-31T23:59:60Z',
      '2026-01-31T00:00:00+16:00',
      '2026-01-31T00:00:00+01',
      '2026-01-31\n',
      'now',
      '',
    ],
    // Within a day of the calendar's ends: elsewhere in the world their year would not exist.
    ...['9999-12-31T23:59:59-15:59', '9999-12-31T00:00:00Z', '9999-12-30T23:59:59-00:01'],
    ...['0001-01-01T00:00:00+15:59', '0001-01-01T23:59:59z', '0001-01-02T15:58:00+15:59'],
    ...[20260131, null as unknown as string, '٢٠٢٦-01-31'].filter((value) => value !== null),
  ])('no date: %j', (value) => {
    expect(check({ type: 'date' }, value)).toHaveLength(1);
  });

  test.each(['http://a', 'https://a.example/%20?q=é', 'ftp://user@a.example:21/x', 'HTTP://A'])(
    'the URL %s',
    (value) => {
      expect(check({ type: 'url' }, value)).toEqual([]);
    },
  );

  test.each([
    ...[
      '',
      '/a',
      'a.example',
      '//a',
      'http:a',
      'http://',
      'http:///a',
      'javascript:alert(1)',
      'file:///etc/passwd',
    ],
    ...[
      'https://a b',
      ' https://a',
      'https://a\n',
      'https://a\\b',
      'data:text/plain,a',
      'https://[::1',
      'https://a:99999',
    ],
  ])('no URL: %j', (value) => {
    expect(check({ type: 'url' }, value)).toHaveLength(1);
  });
});
