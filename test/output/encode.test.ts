import { arrayLiteral, nullElement, quoteElement } from '@osa/core/array-literal';
import type { Column } from '@osa/core/hook/hook';
import { parseExactJson } from '@osa/core/json/exact';
import type { Database } from '@osa/core/postgres/connection/connect';
import { columnSqlType } from '@osa/core/postgres/registry/column-type';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database/database.ts';
import { allChunks, column, contractOf, outputDirectory, said } from '../support/output-support.ts';

const { read, write } = outputDirectory();
let database: TestDatabase;
let sql: Database['sql'];

beforeAll(async () => {
  database = await testDatabase();
  sql = database.open(database.ownerUrl).sql;
});
afterAll(() => database.close());

/** The rows of one record with one column, as PostgreSQL returns them in text. */
async function stored(shape: Column, sources: readonly string[]): Promise<(string | null)[]> {
  const rows = sources.map((source) => `{"x":${source}}`).join(',');
  await write('features.jsonl', `{"id":"a","features":[${rows}]}`);
  const reader = await read({ contract: contractOf([shape]), recordIds: ['a'] });
  expect(said(reader, 'a')).toBe('passed');
  const [chunk] = await allChunks(reader, 100_000);
  return texts(chunk?.columns[0] ?? '', columnSqlType(shape));
}

async function texts(literal: string, type: string): Promise<(string | null)[]> {
  const found = await sql.unsafe<{ x: string | null }[]>(
    `select x::text as x from unnest($1::text::${type}[]) with ordinality as r (x, n) order by n`,
    [literal],
  );
  return found.map(({ x }) => x);
}

async function refusal(shape: Column, source: string): Promise<string> {
  await write('features.jsonl', `{"id":"a","features":[{"x":${source}}]}`);
  return said(await read({ contract: contractOf([shape]), recordIds: ['a'] }), 'a');
}

const text = column('x', 'string');
const number = column('x', 'number');
const integer = column('x', 'integer');
const object = column('x', 'object');

describe('values arrive as they were written', () => {
  test('any text', async () => {
    const unit = fc.oneof(
      fc.constantFrom(
        '"',
        '\\',
        '{',
        '}',
        ',',
        ' ',
        '\n',
        '\t',
        "'",
        '$1',
        ';--',
        'NULL',
        '\\N',
        '\\x00',
        '\u0001',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((point) => point !== '\0'),
    );
    const values = fc.array(fc.oneof(fc.constant(null), fc.string({ unit, maxLength: 6 })), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(values, async (items) => {
        const elements = items.map((item) => (item === null ? nullElement : quoteElement(item)));
        expect(await texts(arrayLiteral(elements), 'text')).toEqual(items);
      }),
      { numRuns: 200 },
    );
  });

  test('rows-27, -30: texts that mean something elsewhere', async () => {
    const values = [
      "'; drop table hooks;--",
      '$1',
      '\\x00',
      '\\N',
      '\\.',
      'NULL',
      'null',
      '',
      ' ',
      '{}',
      '{"a",b}',
    ];
    const more = [
      '=cmd|calc',
      '+1',
      '@x',
      '\t',
      '"',
      '\\',
      '\\"',
      '%s',
      '<script>',
      '\u202e',
      '\ufeff',
      '\uffff',
      '😀',
    ];
    const sources = [...values, ...more].map((value) => JSON.stringify(value));
    expect(await stored(text, sources)).toEqual([...values, ...more]);
  });

  test('null is null, and absent too', async () => {
    for (const shape of [
      text,
      number,
      integer,
      object,
      column('x', 'boolean'),
      column('x', 'string', { format: 'date' }),
    ]) {
      expect(await stored(shape, ['null'])).toEqual([null]);
    }
  });

  test('rows-12: doubles, to the last bit', async () => {
    const sources = [
      '1',
      '1.0',
      '-0',
      '0.1',
      '1e5',
      '1E-5',
      '5e-324',
      '2.2250738585072011e-308',
      '1.7976931348623157e308',
    ];
    const more = ['9007199254740992', '590295810358705700000', '6.02214076e23', '123456789.123456789'];
    const found = await stored(number, [...sources, ...more]);
    expect(found.map(Number)).toEqual([...sources, ...more].map(Number));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        async (doubles) => {
          const kept = await stored(
            number,
            doubles.map((double) => JSON.stringify(double)),
          );
          expect(kept.map((item) => Number(item) + 0)).toEqual(doubles.map((double) => double + 0));
        },
      ),
      { numRuns: 50 },
    );
  });

  test('rows-11, -12: integers of 64 bits, however they are written', async () => {
    const sources = [
      '-0',
      '1.0',
      '1e2',
      '150e-1',
      '9007199254740993',
      '9223372036854775807',
      '-9223372036854775808',
    ];
    const plain = ['0', '1', '100', '15', '9007199254740993', '9223372036854775807', '-9223372036854775808'];
    expect(await stored(integer, sources)).toEqual(plain);
  });

  test('rows-11, -17: JSON, with all digits and odd keys', async () => {
    const sources = [
      ...[
        '{}',
        '{"a":[1,null,"x\\"y\\\\z",{"__proto__":{"b":1}}]}',
        '{"n":9007199254740993,"m":9223372036854775808,"f":1.10,"s":"\\u00e9{},"}',
      ],
      ...['{"a":1e300,"b":1e-300}', '{"NULL":"NULL"}', '{ "spaced" : [ ] }'],
    ];
    const found = await stored(object, sources);
    const same = await sql<{ same: boolean }[]>`
      select (a::jsonb = b::jsonb) as same from unnest(${sources}::text[], ${found}::text[]) as r (a, b)`;
    expect(same.every((row) => row.same)).toBe(true);
    expect(found[2]).toContain('9007199254740993');
    expect(found[2]).toContain('9223372036854775808');
    expect(await stored(column('x', 'array'), ['[]', '["a",{"b":[true]}]'])).toEqual([
      '[]',
      '["a",{"b":[true]}]',
    ]);
    const numbers = fc.double({ noNaN: true, noDefaultInfinity: true });
    const value = fc.dictionary(fc.string(), fc.oneof(fc.string({ unit: 'binary' }), numbers, fc.boolean()));
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 10 }), async (values) => {
        const written = values.map((item) => JSON.stringify(item));
        fc.pre(!written.some((item) => item.includes('\\u0000')));
        const kept = await stored(object, written);
        expect(kept.map((item) => JSON.stringify(parseExactJson(item ?? '')))).toEqual(written);
      }),
      { numRuns: 50 },
    );
  });

  test('booleans, dates, times and identifiers', async () => {
    expect(await stored(column('x', 'boolean'), ['true', 'false'])).toEqual(['true', 'false']);
    expect(
      await stored(column('x', 'string', { format: 'date' }), [
        '"2024-02-29"',
        '"0001-01-01"',
        '"9999-12-31"',
      ]),
    ).toEqual(['2024-02-29', '0001-01-01', '9999-12-31']);
    const times = [
      '2026-01-02T03:04:05Z',
      '2026-01-02t03:04:05.123456+05:30',
      '0001-01-02T15:59:00+15:59',
      '2026-01-02T03:04:05.100000000z',
    ];
    const found = await stored(
      column('x', 'string', { format: 'date-time' }),
      times.map((time) => JSON.stringify(time)),
    );
    const same = await sql<{ same: boolean }[]>`
      select (a::timestamptz = b::timestamptz) as same from unnest(${times}::text[], ${found}::text[]) as r (a, b)`;
    expect(same.map((row) => row.same)).toEqual([true, true, true, true]);
    const uuid = '018F6B1E-7c3a-7d2b-9c4e-5f60718293a4';
    expect(await stored(column('x', 'string', { format: 'uuid' }), [`"${uuid}"`])).toEqual([
      uuid.toLowerCase(),
    ]);
  });
});

describe('rows-11, -25: values of another type are refused, never made to fit', () => {
  const format = (name: NonNullable<Column['format']>) => column('x', 'string', { format: name });

  test.each<[string, Column, string[]]>([
    ['string', text, ['1', 'true', '{}', '["a"]']],
    ['number', number, ['"1"', 'true', '[1]', '{}', '9007199254740993', '9223372036854775807']],
    [
      'integer',
      integer,
      ['"1"', '1.5', '1e-1', '9223372036854775808', '-9223372036854775809', '1e19', 'true'],
    ],
    ['boolean', column('x', 'boolean'), ['"true"', '0', '1', '[]']],
    ['array', column('x', 'array'), ['{}', '"[]"', '1']],
    ['object', object, ['[]', '"{}"', 'false']],
    [
      'date',
      format('date'),
      ['"2026-02-30"', '"2026-2-3"', '"2026-01-01T00:00:00Z"', '20260101', '"infinity"', '"0000-01-01"'],
    ],
    [
      'date-time',
      format('date-time'),
      ['"2026-02-30T00:00:00Z"', '"2026-01-01T00:00:00"', '"2026-01-01"', '"now"'],
    ],
    [
      'date-time',
      format('date-time'),
      ['"2026-01-01T00:00:00.1234567Z"', '"2026-01-01T00:00:00+16:00"', '1'],
    ],
    [
      'uuid',
      format('uuid'),
      ['"018f6b1e7c3a7d2b9c4e5f60718293a4"', '"{018f6b1e-7c3a-7d2b-9c4e-5f60718293a4}"', '""'],
    ],
  ])('%s', async (_, shape, sources) => {
    for (const source of sources) {
      expect(await refusal(shape, source)).toMatch(
        /^errored: features\.jsonl line 1, row 1: column "x": .* must be /,
      );
    }
  });

  test.each(['1e400', '-1e400', '1e-400', '1'.repeat(401)])(
    'rows-10: numbers that nothing can hold, in any column: %s',
    async (source) => {
      for (const shape of [number, integer])
        expect(await refusal(shape, source)).toContain('column "x": at byte');
      expect(await refusal(object, `{"n":${source}}`)).toContain('column "x": at byte');
    },
  );
});
