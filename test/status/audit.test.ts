import { audit } from '@osa/core/postgres/status/audit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

/** The trail of acts and actors, by age, actor and hook. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  await deployHook(daemon, 'process.exit(0)');
  const headers = {
    authorization: await daemon.bearer(['hooks:write'], { subject: 'ann' }),
    'x-request-id': 'ann-1',
  };
  await daemon.call('pauseHook', { params: { name: 'probe' }, json: { reason: 'a look' }, headers });
  await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(1) });
  const denied = {
    authorization: await daemon.bearer(['runs:read'], { subject: 'eve' }),
    'content-type': 'application/json',
  };
  await daemon.send('POST', '/api/v1/hooks/probe/resume', { headers: denied, body: '{}' });
});
afterAll(() => daemon.close());

const types = async (query: Record<string, string>) =>
  (await daemon.call('audit', { query })).items.map(({ type }) => type);

test('shows writes and refusals, newest first, each with its actor and request', async () => {
  const { items, complete, next_before } = await daemon.call('audit');
  expect([complete, next_before]).toEqual([true, null]);
  expect(items.map(({ type, actor }) => [type, actor?.subject])).toEqual([
    ['request.denied', 'eve'],
    ['ingestion.sealed', 'tester'],
    ['hook.paused', 'ann'],
    ['convention.deployed', 'tester'],
  ]);
  expect(items[2]).toMatchObject({ about: 'probe', request_id: 'ann-1', details: { reason: 'a look' } });
});

test('by actor, hook, age and page', async () => {
  expect(await types({ actor: 'ann' })).toEqual(['hook.paused']);
  expect(await types({ hook: 'probe' })).toEqual(['hook.paused']);
  expect(await types({ since: new Date(Date.now() + 60_000).toISOString() })).toEqual([]);
  const first = await daemon.call('audit', { query: { limit: 3 } });
  expect(first.items).toHaveLength(3);
  expect(await types({ before: String(first.next_before) })).toEqual(['convention.deployed']);
});

test('says where the trail is longer than what was looked through', async () => {
  const database = daemon.database.open(daemon.database.appUrl, { max: 1 });
  const found = await audit(database, { limit: 100 }, 2);
  expect(found.complete).toBe(false);
});

test('is for those who may read all runs', async () => {
  const headers = { authorization: await daemon.bearer(['runs:read:probe']) };
  expect((await daemon.send('GET', '/api/v1/audit', { headers })).status).toBe(403);
});

test('osa audit shows it, and refuses an age that is none', async () => {
  await using world = await createCliWorld();
  const OSA_TOKEN = (await daemon.bearer(['runs:read'])).slice('Bearer '.length);
  const environment = { OSA_SERVER: daemon.url, OSA_TOKEN };
  const { code, stdout } = await world.osa(['audit', '--since', '1h', '--hook', 'probe'], { environment });
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/hook\.paused +probe +ann +ann-1 +reason=a look/),
  ]);
  expect((await world.osa(['audit', '--since', 'soon'], { environment })).code).toBe(2);
});
