import { gzipSync } from 'node:zlib';
import { OsaError } from '@osa/core/error';
import type { IncomingRecord } from '@osa/core/ingestion/ingestions';
import { readRecords } from '@osa/core/ingestion/ndjson';
import { bounds } from '@osa/core/limits';
import { describe, expect, test } from 'vitest';

const pinned = {
  convention: 'bench',
  schema: { id: 'bench-record', version: '1.0.0' },
  fields: [
    {
      name: 'value',
      type: 'number' as const,
      required: false,
      cardinality: 'exactly_one' as const,
    },
  ],
  openText: false,
  files: { accepted_types: [], min_count: 0, max_count: 0, max_file_size: 0 },
};

/** Reads an upload that comes in pieces of 7 bytes, or of `pieceBytes`. */
async function read(text: string | Buffer, pieceBytes = 7): Promise<IncomingRecord[]> {
  async function* pieces() {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const records: IncomingRecord[] = [];
  for await (const record of readRecords(pieces(), pinned)) records.push(record);
  return records;
}

async function refusal(text: string | Buffer): Promise<OsaError> {
  const error = await read(text).catch((thrown: unknown) => thrown);
  if (!(error instanceof OsaError)) throw new Error('the upload was not refused');
  return error;
}

const good = (id: string) => `{"source_id":"${id}","metadata":{"value":1}}\n`;
const long = 'x'.repeat(bounds.lineBytes);

describe('a record that cannot be kept is invalid, and the others are taken', () => {
  test.each([
    ['\\u0000', '{"source_id":"bad","metadata":{"value":"a\\u0000"}}', 'u0000'],
    ['half a surrogate pair', '{"metadata":{"value":"\\ud800"},"source_id":"bad"}', 'surrogate'],
    ['a key twice', '{"source_id":"bad","metadata":{"value":1,"value":2}}', 'duplicate key "value"'],
    ['metadata twice', '{"source_id":"bad","metadata":{},"metadata":{}}', 'duplicate key "metadata"'],
    ['a number that no double holds', '{"id":"bad","metadata":{"value":1e999}}', 'range of a double'],
    ['levels', `{"id":"bad","metadata":{"value":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`, 'deeper than'],
    ['a key \\, and one that begins with an escape', '{"\\\\":1,"\\"":2,"id":"bad","a":1e999}', 'range of a'],
    ['no object as metadata', '{"source_id":"bad","metadata":null}', 'metadata is not an object'],
    ['a long line', `{"source_id":"bad","metadata":{"value":"${long}"}}`, 'longer than'],
    [
      'a long line whose id comes last',
      `{"metadata":{"a":["${long}",{"source_id":1}]},"id":"bad"} `,
      'longer',
    ],
    ['a text beyond the limit, at the top', `{"x":"${long}","source_id":"\\u0062ad"}`, 'longer than'],
  ])('%s', async (_, line, reason) => {
    for (const end of ['\n', '\r\n']) {
      const records = await read(`${good('a')}${line}${end}${good('z')}`, 1_000);
      expect(records).toMatchObject([
        { sourceId: 'a', line: 1, problem: null },
        { sourceId: 'bad', line: 2, metadata: '{}', problem: expect.stringContaining(reason) },
        { sourceId: 'z', line: 3, problem: null },
      ]);
    }
  });

  test('its digest is that of its line', async () => {
    const [first, second] = await read(
      '{"id":"a","metadata":{"value":1e999}}\n{"id":"b","metadata":{"value":1e998}}\n',
    );
    expect(first?.contentDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(first?.contentDigest).not.toBe(second?.contentDigest);
  });
});

describe('a line without a usable source id refuses the upload', () => {
  test.each([
    ['not JSON', 'source_id,value', 'malformed'],
    ['cut off', '{"source_id":"a","metadata":{"value":"\\u0000"', 'malformed'],
    ['NaN', '{"source_id":"a","metadata":{"value":NaN}}', 'malformed'],
    ['two ids', '{"source_id":"a","id":"b","metadata":{}}', 'invalid'],
    ['two ids, one null', '{"source_id":null,"id":"b","metadata":{}}', 'invalid'],
    ['a source_id twice', '{"source_id":"a","source_id":"a","metadata":{}}', 'invalid'],
    ['two ids beside a bad value', '{"source_id":"a","metadata":{"value":1e999},"id":"b"}', 'invalid'],
    ['an id that cannot be kept', '{"source_id":"a\\u0000","metadata":{}}', 'invalid'],
    ['an id that is nested only', '{"metadata":{"source_id":"a","value":1e999}}', 'invalid'],
    ['a long line without an id', `{"metadata":{"value":"${long}"}}`, 'too_large'],
    ['a long line with two ids', `{"source_id":"a","metadata":{"value":"${long}"},"id":"b"}`, 'too_large'],
    ['a long line that is cut off', `{"source_id":"a","metadata":{"value":"${long}"}`, 'too_large'],
    ['a long line of two objects', `{"source_id":"a","x":"${long}"}{}`, 'too_large'],
    ['a long line that is no object', `"${long}"`, 'too_large'],
  ])('%s', async (_, line, code) => {
    expect(await refusal(`${good('x')}${line}\n${good('y')}`)).toMatchObject({ code, details: { line: 2 } });
  });

  test('id and source_id that agree are one id', async () => {
    expect(await read('{"source_id":"a","id":"a","metadata":{}}')).toMatchObject([{ sourceId: 'a' }]);
  });

  test.each(['NaN', 'Infinity', '-Infinity'])('%s is named, with what to write instead', async (word) => {
    const { message } = await refusal(`{"source_id":"a","metadata":{"value":${word}}}`);
    expect(message).toMatch(new RegExp(`^line 1: at byte \\d+: ${word} is not JSON; write null$`));
  });

  test('all such lines are reported at once', async () => {
    const { code, message, details } = await refusal(`${good('a')}one\n${good('b')}{"metadata":{}}\n`);
    expect([code, details.line]).toEqual(['malformed', 2]);
    expect(message).toContain('one more');
    expect(details.problems).toMatchObject([
      { line: 2, code: 'malformed' },
      { line: 4, code: 'invalid', message: expect.stringContaining('line 4') },
    ]);
  });

  test('of more than 100 such lines, the first 100', async () => {
    const { message, details } = await refusal('x\n'.repeat(1_000));
    expect(details.problems).toHaveLength(100);
    expect(message).toContain('at least 99 more');
  });
});

describe('an upload in another format is refused once, with the way out', () => {
  test.each([
    ['gzip', gzipSync(good('a')), 'zcat FILE | osa ingest'],
    ['zstd', Buffer.from('28b52ffd04584100', 'hex'), 'zstdcat FILE | osa ingest'],
    ['a spreadsheet', Buffer.from('PK\u0003\u0004....'), 'send the records as NDJSON'],
    ['Parquet', Buffer.from('PAR1....'), 'send the records as NDJSON'],
    ['UTF-16', Buffer.from(`\ufeff${good('a')}`, 'utf16le'), 'save it as UTF-8'],
    ['a JSON array on several lines', `[\n${good('a')},${good('b')}]\n`, "jq -c '.[]'"],
    ['a JSON array on one line', `  [${good('a').trim()}]\n`, "jq -c '.[]'"],
    ['records over several lines', '{\n  "source_id": "a",\n  "metadata": {}\n}\n', 'jq -c . FILE'],
    ['the same with CRLF', '{\r\n  "source_id": "a"\r\n}', 'jq -c . FILE'],
  ])('%s', async (_, text, said) => {
    const error = await refusal(text);
    expect([error.code, error.details.line]).toEqual(['malformed', 1]);
    expect(error.message).toContain(said);
    expect(error.message).not.toMatch(/more of the lines/);
  });

  test('a byte order mark is no part of the first record', async () => {
    const [plain] = await read(good('a'));
    const [marked, second] = await read(`\ufeff${good('a')}${good('b')}`);
    expect(marked).toEqual(plain);
    expect(second?.sourceId).toBe('b');
    expect((await refusal(`${good('a')}\ufeff${good('b')}`)).details.line).toBe(2);
  });
});
