import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';

/** Ids found by how they begin. */

let daemon: TestDaemon;
let ids: { readonly deploy: string; readonly ingestion: string };
beforeAll(async () => {
  daemon = await testDaemon({
    worker: { name: 't', isInherited: true, concurrency: 0, perHook: 1, leaseSeconds: 30 },
  });
  const { deploy_id: deploy } = await deployHook(daemon, hookCode('return { features: [] }'));
  const { id: ingestion } = await daemon.call('ingest', {
    params: { slug: 'tests' },
    body: ndjson(1),
  });
  ids = { deploy, ingestion };
});
afterAll(() => daemon.close());

const find = async (kind: string, prefix: string, scopes?: readonly string[]) => {
  const headers = scopes ? { authorization: await daemon.bearer(scopes) } : {};
  const { status, text } = await daemon.send('GET', `/api/v1/ids/${kind}/${prefix}`, { headers });
  return { status, json: JSON.parse(text) };
};

test('an id is found by its beginning, in any case, by who may read it', async () => {
  for (const length of [4, 8, 9, 20, 36]) {
    const { status, json } = await find('ingestion', ids.ingestion.slice(0, length).toUpperCase(), [
      'ingestions:read:tests',
    ]);
    expect([status, json]).toEqual([
      200,
      { items: [{ id: ids.ingestion, name: 'tests', at: expect.any(String) }], has_more: false },
    ]);
  }
});

test('who may not read an ingestion does not find it, and without a token nothing is looked for', async () => {
  const other = await find('ingestion', ids.ingestion.slice(0, 8), ['ingestions:read:other']);
  expect(other.json).toEqual({ items: [], has_more: false });
  expect((await find('ingestion', ids.ingestion.slice(0, 8))).status).toBe(401);
});

test('deploys are found by everybody, who may read them too', async () => {
  const { json } = await find('deploy', ids.deploy.slice(0, 13));
  expect(json).toMatchObject({ items: [{ id: ids.deploy, name: 'tests' }] });
});

test.each([
  '01a',
  'nix1',
  '01a22601-77a',
  '0123-4567',
  'x'.repeat(36),
  '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d800',
])('%s is not the beginning of an id, or none begins so', async (prefix) => {
  const { status, json } = await find('deploy', prefix);
  if (status === 200) expect(json).toEqual({ items: [], has_more: false });
  else expect(status).toBe(422);
});
