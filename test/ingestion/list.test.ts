import { cancelIngestion, pauseIngestion } from '@osa/core/ingestion/control';
import { listIngestions } from '@osa/core/ingestion/read';
import { postgresStore } from '@osa/core/postgres/store';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { refusal } from '../support/database/registry-support.ts';
import { boundedReads } from '../support/database/table-reads.ts';

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

type Query = Parameters<typeof listIngestions>[2];

const listed = async (query: Partial<Query>, principal = admin) =>
  (await listIngestions(bench.store, principal, { limit: 50, ...query } as Query)).items;

test('ingestions are listed by status and by convention, a page at a time', async () => {
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: metadata.value }] }') } });
  const { id: done } = await bench.ingest([record('a', 1)]);
  await bench.drain();
  const { id: ended } = await bench.ingest([record('b', 1)]);
  await cancelIngestion(bench.store, { principal: admin }, ended, {});
  const { id: held } = await bench.ingest([record('c', 1)]);
  await pauseIngestion(bench.store, { principal: admin }, held, {});
  const { id: waiting } = await bench.ingest([record('d', 1)]);
  const [one] = await listed({});
  const convention = one?.convention_id ?? '';
  const found = async (query: Partial<Query>) => (await listed(query)).map(({ id }) => id);
  expect(await found({})).toEqual([waiting, held, ended, done]);
  expect(await found({ status: 'completed' })).toEqual([done]);
  expect(await found({ status: 'cancelled' })).toEqual([ended]);
  expect(await found({ status: 'paused' })).toEqual([held]);
  expect(await found({ status: 'running', convention })).toEqual([waiting]);
  expect(await found({ status: 'failed' })).toEqual([]);
  expect(await found({ convention: 'other' })).toEqual([]);
  const { next_cursor: cursor } = await listIngestions(bench.store, admin, { limit: 2, convention });
  expect(await found({ cursor: cursor ?? '', convention })).toEqual([ended, done]);
});

test('a right to one convention lists that one only', async () => {
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: metadata.value }] }') } });
  await bench.ingest([record('a', 1)]);
  const convention = (await listed({}))[0]?.convention_id ?? '';
  const narrow = { ...admin, scopes: new Set([`ingestions:read:${convention}`]) };
  expect(await listed({ convention }, narrow)).toHaveLength(1);
  for (const query of [{}, { convention: 'other' }]) {
    expect((await refusal(listed(query, narrow))).code).toBe('access_denied');
  }
});

test('a page reads the ingestions that it shows, among many', async () => {
  await bench.deploy({ probe: { code: hookCode('return { features: [] }') } });
  await bench.ingest([record('a', 1)]);
  const [one] = await listed({});
  const owner = bench.open('owner', { max: 1 });
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      with made as (
        insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
        select gen_random_uuid(), convention, schema_id, schema_version, 1, n::text, actor
        from ingestions, generate_series(1, 5000) n returning id, convention)
      insert into batches (id, ingestion, convention, index, status, fence, snapshot_at, finished_at, records, published)
      select gen_random_uuid(), id, convention, 0, 'done', 1, now(), now(), 1, 1 from made`;
  });
  const app = bench.open('app', { max: 1 });
  const { ingestions } = postgresStore(app, { domain: 'localhost' });
  const tables = ['ingestions', 'batches'];
  const { measure, over } = boundedReads(app, { tables, entriesPerRecord: 15, wholeFrom: 5000 });
  for (const query of [{}, { convention: one?.convention_id ?? '' }, { status: 'completed' }] as const) {
    const list = () => ingestions.list({ limit: 10, ...query } as Parameters<typeof ingestions.list>[0]);
    await measure(JSON.stringify(query), 10, list);
  }
  expect(over).toEqual([]);
});
