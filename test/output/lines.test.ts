import { describe, expect, test } from 'vitest';
import {
  allChunks,
  column,
  contractOf,
  outputDirectory,
  said,
  verdictOf,
} from '../support/output-support.ts';

/** Lines that are wrong, one rule or one corner each: whatever they hold, the good line beside them counts. */

const { read, write } = outputDirectory();
const contract = contractOf([
  column('energy_j', 'number', { required: true }),
  column('level', 'integer'),
  column('label', 'string'),
  column('detail', 'object'),
  column('list', 'array'),
]);
const row = (energy_j: number) => ({ energy_j, level: 1, label: 'a' });

describe('broken lines cost only themselves', () => {
  const good = { id: 'good', features: [row(1)] };

  test.each([
    '1',
    '[]',
    '"x"',
    'null',
    'true',
    '{',
    'NaN',
    '{"id":1}',
    '{"id":{"a":1}}',
    '{"id":[]}',
    '{"id":null,"features":[]}',
    '{"id":true,"features":[]}',
    '{}',
    '{"features":[]}',
    '\ufeff{}',
  ])('rows-06, -07: a line that names no record: %s', async (line) => {
    await write('features.jsonl', [line, good]);
    // Not even one that is called as the id would be, made a text.
    const others = ['bad', '1', '{"a":1}', '[object Object]', '[]', '', 'null', 'true', 'undefined'];
    const reader = await read({ contract, recordIds: ['good', ...others] });
    expect(said(reader, 'good')).toBe('passed');
    expect(reader.judgement.strayLines).toBe(1);
    const [stray = ''] = reader.judgement.strayExamples;
    expect(stray).toMatch(/^features\.jsonl line 1: ./);
    for (const id of others)
      expect(said(reader, id)).toBe(`errored: the hook did not answer for this record: ${stray}`);
    expect(reader.judgement).toMatchObject({ failure: null, rowCount: 1 });
  });

  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  const holding = (column: string, value: string) =>
    `{"id":"bad","features":[{"energy_j":1,${JSON.stringify(column)}:${value}}]}`;

  test.each([
    ['rows-09: NaN', '{"id":"bad","features":[{"energy_j":NaN}]}', 'row 1: column "energy_j": at byte 36'],
    [
      'rows-09: Infinity',
      '{"id":"bad","features":[{"energy_j":Infinity}]}',
      'Infinity is not JSON; write null',
    ],
    [
      'rows-09: -Infinity',
      '{"id":"bad","features":[{"energy_j":-Infinity}]}',
      '-Infinity is not JSON; write null',
    ],
    ['rows-09: NaN in an object', holding('detail', '{"n":NaN}'), 'NaN is not JSON; write null'],
    ['rows-10: 1e400', '{"id":"bad","features":[{"energy_j":1e400}]}', 'column "energy_j": at byte 36'],
    ['rows-10: -1e400', '{"id":"bad","features":[{"energy_j":-1e400}]}', 'column "energy_j": at byte 36'],
    ['rows-13: NUL in a text', holding('label', '"a\\u0000b"'), 'column "label": at byte'],
    ['rows-13: NUL in an object', holding('detail', '{"s":"a\\u0000b"}'), 'column "detail": at byte'],
    [
      'rows-13: NUL in the key of an object',
      holding('detail', '{"a\\u0000b":1}'),
      'column "detail": at byte',
    ],
    ['rows-14: half a surrogate pair', holding('label', '"\\ud800"'), 'column "label": at byte'],
    ['rows-14: its other half', holding('label', '"\\udc00"'), 'column "label": at byte'],
    ['rows-14: half a pair in an object', holding('detail', '{"s":["\\ud800"]}'), 'column "detail": at byte'],
    ['rows-14: half a pair in a key', holding('detail', '{"\\ud800":1}'), 'column "detail": at byte'],
    ['rows-18: 100,000 levels', holding('list', nested(100_000)), 'deeper than 64 levels'],
    ['rows-18: objects', holding('detail', '{"a":'.repeat(100_000)), 'deeper than 64 levels'],
    ['rows-18: an unknown member', holding('unknown', nested(100_000)), 'deeper than 64 levels'],
    ['rows-18: the line itself', `{"id":"bad","features":${nested(100_000)}}`, 'deeper than 64 levels'],
    ['a cut line', '{"id":"bad","features":[{"energy_j":1},', 'the JSON ends too early'],
    ['a key twice', '{"id":"bad","features":[{"energy_j":1,"energy_j":2}]}', 'duplicate key "energy_j"'],
    ['an id twice', '{"id":"bad","features":[],"id":"good"}', 'duplicate key "id"'],
    ['features twice', '{"id":"bad","features":[],"features":[]}', 'duplicate key "features"'],
    ['no features', '{"id":"bad"}', 'features is missing'],
    ['text behind', '{"id":"bad","features":[]} x', 'unexpected "x"'],
  ])('%s costs the record that the line names', async (_, line, reason) => {
    await write('features.jsonl', [line, good]);
    const reader = await read({ contract, recordIds: ['good', 'bad'] });
    expect(said(reader, 'good')).toBe('passed');
    expect(said(reader, 'bad')).toMatch(/^errored: features\.jsonl line 1, /);
    expect(said(reader, 'bad')).toContain(reason);
    expect(reader.judgement).toMatchObject({ strayLines: 0, failure: null, rowCount: 1 });
  });

  test('as deep as JSON may be is no problem', async () => {
    // The line, its list of rows and the row itself are three levels.
    await write('features.jsonl', [holding('list', nested(61)), good]);
    expect(said(await read({ contract, recordIds: ['good', 'bad'] }), 'bad')).toBe('passed');
    await write('features.jsonl', [holding('list', nested(62)), good]);
    expect(said(await read({ contract, recordIds: ['good', 'bad'] }), 'bad')).toContain('deeper than 64');
  });

  describe.each<[string, number[]]>([
    ['of no character', [0xff, 0xfe]],
    ['of an overlong form', [0xc0, 0xaf]],
    ['of a longer one', [0xe0, 0x80, 0xaf]],
    ['of a character that is cut', [0xe2, 0x82]],
    ['of half a surrogate pair', [0xed, 0xa0, 0x80]],
  ])('rows-15: bytes %s', (_, bytes) => {
    const around = (start: string, end: string) =>
      Buffer.concat([
        Buffer.from(start),
        Uint8Array.from(bytes),
        Buffer.from(`${end}\n${JSON.stringify(good)}`),
      ]);

    test.each([
      ['a text', '{"id":"bad","features":[{"energy_j":1,"label":"', '"}]}'],
      ['an object', '{"id":"bad","features":[{"energy_j":1,"detail":{"a":"', '"}}]}'],
      ['a key', '{"id":"bad","features":[{"energy_j":1,"detail":{"', '":1}}]}'],
    ])('in %s are refused, not replaced', async (__, start, end) => {
      await write('features.jsonl', around(start, end));
      const reader = await read({ contract, recordIds: ['good', 'bad'] });
      expect(said(reader, 'good')).toBe('passed');
      expect(said(reader, 'bad')).toContain('UTF-8');
      expect((await allChunks(reader)).flatMap(({ recordIds }) => recordIds)).toEqual(['good']);
    });

    test('in an id name no record, not even one of replacement characters', async () => {
      await write('features.jsonl', around('{"id":"', '","features":[{"energy_j":1}]}'));
      const replaced = Buffer.from(bytes).toString();
      const reader = await read({ contract, recordIds: ['good', replaced] });
      expect(said(reader, replaced)).toMatch(
        /did not answer for this record: features\.jsonl line 1: .*UTF-8/,
      );
      expect(reader.judgement).toMatchObject({ strayLines: 1, rowCount: 1 });
    });
  });

  test('rows-08: features that are no list of objects', async () => {
    const features = ['x', 1, { a: 1 }, [1], null, [null], [[]]];
    await write(
      'features.jsonl',
      features.map((value, index) => ({ id: `${index}`, features: value })),
    );
    const reader = await read({ contract, recordIds: features.map((_, index) => `${index}`) });
    for (const index of features.keys())
      expect(said(reader, `${index}`)).toMatch(/^errored: .*is not|^errored: .*, not/);
    expect(reader.judgement.rowCount).toBe(0);
    expect(await allChunks(reader)).toEqual([]);
  });

  test('rows-08: without columns nothing is a pass without rows, but a column is still unknown', async () => {
    const features = [null, 3.2, [null], [3.2], [], [{}], 'x', [{ a: 1 }], { a: 1 }, [[]]];
    await write(
      'features.jsonl',
      features.map((value, index) => ({ id: `${index}`, features: value })),
    );
    const reader = await read({
      contract: contractOf([], 'one'),
      recordIds: features.map((_, index) => `${index}`),
    });
    const statuses = features.map((_, index) => verdictOf(reader, `${index}`).status);
    expect(statuses).toEqual([...Array(7).fill('passed'), 'errored', 'errored', 'errored']);
    expect(reader.judgement.rowCount).toBe(0);
    expect(await allChunks(reader)).toEqual([]);
  });

  test('members of a line that are not known are ignored', async () => {
    await write('features.jsonl', [{ version: 2, features: [row(1)], id: 'a', extra: { deep: [1] } }]);
    expect(said(await read({ contract, recordIds: ['a'] }), 'a')).toBe('passed');
  });
});
