import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { forgery } from '../support/forgery.ts';
import { osa } from '../support/programs.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';
import { naughtyCollections } from '../support/vectors.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Names and texts of sources: kept to the byte, each its own record, or refused by a rule. */

let stage: ProjectDaemon;
const { deployed, ingested, rowsBySource } = forgery(() => stage);
beforeAll(async () => {
  stage = await startProjectDaemon();
});
afterAll(() => stage.close());

describe('the ids of sources', () => {
  const kept = [
    '../../x',
    '/etc/passwd',
    '/',
    '.',
    '..',
    '..\\x',
    'a/../../b',
    'C:\\x',
    'file:///etc/passwd',
    'a:b',
    'a_b',
    'a@b',
    'a b',
    'a%2Fb',
    '\u00e9',
    'e\u0301',
    'A',
    'a',
    '007',
    '7',
    '1e3',
    '1000',
    '-0',
    'NaN',
    'null',
    'true',
    '__proto__',
    'constructor',
    '😀',
    '👩‍👩‍👧',
    '\u202eabc',
    'שלום',
    'a\nb',
    'a\r\nb',
    '\n',
    ' ',
    ' a',
    '\t',
    '\u2028',
    '\ufeffa',
    '\u0001',
    "'; drop table hooks;--",
    '$1',
    '\\N',
    '\\x00',
    '=cmd|calc',
    '"',
    '{}',
    'x'.repeat(1_000),
    '😀'.repeat(250),
  ];

  test('paths-01, -03, -04, -05, -06: are kept to the byte, each its own record, from the upload to the trace', async () => {
    const hook = 'verbatim';
    const code = `const { readdirSync } = await import('node:fs');
const { OSA_IN, OSA_FILES } = process.env;
const around = [OSA_IN, OSA_FILES].flatMap((path) => readdirSync(path, { recursive: true }));
${hookCode('return { features: [{ value: metadata.value, seen: id, around }] }')}`;
    const place = await deployed(hook, code, [
      { name: 'seen', json_type: 'string', required: true },
      { name: 'around', json_type: 'array', required: true },
    ]);
    const records = kept.map((id, value) => ({ id, value }));
    expect(new Set(kept).size).toBe(kept.length);
    const { answer } = await ingested(place, hook, records, 17);
    expect(answer).toMatchObject({
      status: 'completed',
      published: kept.length,
      rows: kept.length,
      errored: 0,
    });
    const found = await rowsBySource(place, hook);
    expect([...found.keys()].sort()).toEqual([...kept].sort());
    for (const [source, { row, trace }] of found) {
      const value = kept.indexOf(source);
      // No id is a name in what the hook is given.
      expect(trace.row.values).toEqual({ value, seen: source, around: ['config.json', 'records.jsonl'] });
      expect(row.value).toBe(value);
      expect(trace.record.metadata).toEqual({ value });
    }
    expect(new Set([...found.values()].map(({ trace }) => trace.record.srn)).size).toBe(kept.length);
    // The same again is unchanged: each id finds its own earlier version.
    const again = await ingested(place, hook, records.toReversed());
    expect(again.answer).toMatchObject({ unchanged: kept.length, published: 0, rows: 0 });
  });

  test.each<[string, string, [status: number, code: string]]>([
    ['of 1,001 bytes', JSON.stringify('x'.repeat(1_001)), [422, 'invalid']],
    ['of 1,001 bytes in 501 characters', JSON.stringify(`${'é'.repeat(500)}x`), [422, 'invalid']],
    ['of 10,000 characters', JSON.stringify('x'.repeat(10_000)), [422, 'invalid']],
    ['that is empty', '""', [422, 'invalid']],
    ['that is a number', '7', [422, 'invalid']],
    ['that is null', 'null', [422, 'invalid']],
    ['that is a list', '["a"]', [422, 'invalid']],
    ['with a NUL', '"a\\u0000b"', [422, 'invalid']],
    ['with half a surrogate pair', '"\\ud800"', [422, 'invalid']],
  ])(
    'paths-04: one %s is refused with its line, and nothing of the upload is stored',
    async (_, id, expected) => {
      const body = `{"source_id": "fine", "metadata": {"value": 1}}\n{"source_id": ${id}, "metadata": {"value": 1}}\n`;
      const { status, problem } = await stage.changingNothing(() =>
        stage.http.send('POST', '/api/v1/conventions/verbatim/ingestions', {
          headers: { 'content-type': 'application/x-ndjson' },
          body,
        }),
      );
      expect([status, problem?.code]).toEqual(expected);
      expect(problem?.details?.line).toBe(2);
      if (status === 422) expect(problem?.field).toBe('source_id');
    },
  );
});

describe.each(naughtyCollections)('rows-28: naughty strings, %s', (name, strings) => {
  const hook = name === 'ours' ? 'naughty' : 'big_list';

  test('are the same as ids, texts and keys, from the upload to the trace', async () => {
    const echo = `return { features: [{ value: metadata.value, seen: id, kept: { said: metadata.lines, ['k' + metadata.lines]: metadata.lines } }] }`;
    const place = await deployed(hook, hookCode(echo), [
      { name: 'seen', json_type: 'string', required: true },
      { name: 'kept', json_type: 'object', required: true },
    ]);
    const ids = strings.filter((text) => text !== '' && Buffer.byteLength(text) <= bounds.sourceIdBytes);
    expect(ids.length).toBeGreaterThan(100);
    const records = ids.map((id, value) => ({ id, value, lines: id }));
    const { answer } = await ingested(place, hook, records);
    expect(answer).toMatchObject({ status: 'completed', published: ids.length, errored: 0, invalid: 0 });
    const traced = await rowsBySource(place, hook);
    expect([...traced.keys()].sort()).toEqual([...ids].sort());
    for (const [id, { row, trace }] of traced) {
      expect(row.value).toBe(ids.indexOf(id));
      expect(trace.record.metadata).toEqual({ value: ids.indexOf(id), lines: id });
      const kept = { said: id, [`k${id}`]: id };
      expect(trace.row.values).toEqual({ value: ids.indexOf(id), seen: id, kept });
    }
  });

  test('are no fields of a record and no names in a path, and never an error of ours', async () => {
    const place = await stage.project();
    const keys = strings.filter((text) => !['value', 'lines'].includes(text));
    const lines = keys.map(
      (key, index) => `{"source_id":"${index}","metadata":{"value":1,${JSON.stringify(key)}:1}}\n`,
    );
    await writeFile(join(place, 'records.ndjson'), lines.join(''));
    const slug = hook.replace('_', '-');
    const { exitCode, stdout } = await osa(place, ['ingest', slug, 'records.ndjson', '--json']);
    const answer = JSON.parse(stdout);
    expect(exitCode).toBe(1);
    expect(answer).toMatchObject({ records: keys.length, invalid: keys.length, published: 0 });
    for (const text of keys) {
      const { status } = await stage.http.get(`/api/v1/hooks/${encodeURIComponent(text)}`);
      expect(status, text).toBeGreaterThanOrEqual(200);
      expect(status, text).toBeLessThan(500);
    }
  });
});
