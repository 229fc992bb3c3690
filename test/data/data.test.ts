import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, deployRequest, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Published records and rows as they are read over HTTP. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  await deployHook(daemon, hookCode('return { features: [{ value: metadata.value }] };'), 'first');
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(3) });
  await until('the ingestion', async () => {
    const { status } = await daemon.call('showIngestion', { params: { id } });
    return status === 'completed';
  });
});
afterAll(() => daemon.close());

const read = async (path: string) => {
  const { status, text, problem } = await daemon.send('GET', `/api/v1/data/${path}`);
  return { status, problem, rows: problem ? undefined : JSON.parse(text).rows };
};

describe('rows of a hook', () => {
  test('that no convention of the schema has named are not found, and the answer says where to look', async () => {
    const schema = { ...(deployRequest().schema as object), id: 'other-record' };
    await daemon.call('deploy', { json: { ...deployRequest(), slug: 'others', schema } });
    expect((await read('test-record/first')).rows).toHaveLength(3);
    for (const path of ['other-record/first', 'test-record/absent', 'test-record/x%22']) {
      const { status, problem } = await read(path);
      expect([path, status, problem?.field]).toEqual([path, 404, 'feature']);
      expect(problem?.detail).toContain('osa hooks list');
    }
  });

  test('stay readable when the convention takes another schema version, and lets the hook go', async () => {
    const schema = { ...(deployRequest().schema as object), version: '2.0.0' };
    await daemon.call('deploy', { json: { ...deployRequest(), schema } });
    expect((await read('test-record@1.0.0/first')).rows).toHaveLength(3);
    expect(await read('test-record/first')).toMatchObject({ status: 200, rows: [] });
  });
});

test('times end in Z and digests begin with sha256: in every answer about a row', async () => {
  const [row] = (await read('test-record@1.0.0/first')).rows;
  const traced = await daemon.call('traceRow', { params: { hook: 'first', id: row.id } });
  const { items: deploys } = await daemon.call('listDeploys');
  const documents = [
    traced,
    await daemon.call('traceRecord', { params: { srn: row.record_srn } }),
    await daemon.call('showRun', { params: { id: row.run_id } }),
    await daemon.call('history', { params: { name: 'first' } }),
    await daemon.call('listConventions'),
    deploys,
  ];
  for (const document of documents) {
    const times = JSON.stringify(document).match(/\d{4}-\d\d-\d\dT[^"]*/g) ?? [];
    expect(times.length).toBeGreaterThan(0);
    expect(times.filter((time) => !time.endsWith('Z'))).toEqual([]);
  }
  const { input_digest, output_digest } = traced.run;
  for (const digest of [input_digest, output_digest, deploys[0]?.manifest_digest]) {
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  }
});

test.each([
  ['1', 1],
  ['2', 2],
  ['1000000000', 3],
])('a page of %s records has as many as there may be', async (limit, expected) => {
  for (const table of ['records', 'first']) {
    expect((await read(`test-record@1.0.0/${table}?limit=${limit}`)).rows).toHaveLength(expected);
  }
});

test.each(['NaN', '1.5', '1e400', '', '0', '-1', '0x10'])(
  'a page of %j records is refused',
  async (limit) => {
    expect((await read(`test-record@1.0.0/records?limit=${limit}`)).status).toBe(422);
  },
);
