import { Readable } from 'node:stream';
import { sha256 } from '@osa/core/hook/release';
import { cancelIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, convention, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { person } from '../support/database/registry-support.ts';

/** An upload that is sent again, with `repeat: 'find'`. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  await bench.deploy({ doubled: { code: hookCode('return { features: [{ value: metadata.value * 2 }] }') } });
  return () => bench.dispose();
});

function send(records: readonly object[], { repeat = 'find' as const, principal = admin } = {}) {
  const bytes = Buffer.from(records.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
  return ingest(bench.store, { principal }, { convention, batchSize: 1_000, upload, repeat });
}

const records = [record('a', 1), record('b', 2)];

test('finds the first ingestion, while it runs and when it has ended, and stores nothing', async () => {
  const first = await send(records);
  const running = await send(records);
  await bench.drain();
  const ended = await send(records);
  expect([first.created, running.created, ended.created]).toEqual([true, false, false]);
  expect([running.id, ended.id]).toEqual([first.id, first.id]);
  expect(ended).toMatchObject({ status: 'completed', published: 2 });
});

test('of two at the same time one is stored, and the other finds it', async () => {
  const [one, other] = await Promise.all([send(records), send(records)]);
  expect(one.id).toBe(other.id);
  expect([one.created, other.created].sort()).toEqual([false, true]);
});

test('is stored when it is not asked for, or has other content', async () => {
  const first = await send(records);
  const stored = await bench.ingest(records);
  const other = await send([record('a', 1)]);
  expect(new Set([first.id, stored.id, other.id]).size).toBe(3);
  expect([stored.created, other.created]).toEqual([true, true]);
});

test('is stored when a later upload has sent one of its sources, since it brings back older content', async () => {
  const first = await send(records);
  await send([record('b', 20)]);
  const back = await send(records);
  expect([back.created, back.id === first.id]).toEqual([true, false]);
  await bench.drain();
  const { items } = (await bench.store.ingestions.records(back.id, { limit: 10 })) ?? { items: [] };
  expect(items.map(({ source_id, status }) => [source_id, status])).toEqual([
    ['a', 'unchanged'],
    ['b', 'published'],
  ]);
});

test('is stored when an upload that began before it came in after it', async () => {
  const slow = await bench.ingest([record('a', 30)]);
  const first = await send(records);
  const later = await bench.ingest([record('a', 40)]);
  // The time of an ingestion is when its transaction began, which for a slow upload is long before its place in the order.
  const owner = bench.open('owner', { max: 1 });
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update ingestions set sealed_at = sealed_at - interval '1 minute' where id in (${slow.id}, ${later.id})`;
  });
  expect((await send(records)).id).not.toBe(first.id);
});

test('finds the first behind later uploads of other sources', async () => {
  const first = await send(records);
  await send([record('c', 3)]);
  expect(await send(records)).toMatchObject({ id: first.id, created: false });
});

test('is stored when the first was cancelled', async () => {
  const first = await send(records);
  await cancelIngestion(bench.store, { principal: admin }, first.id, {});
  expect((await send(records)).created).toBe(true);
});

test('is stored when somebody else has sent the first', async () => {
  await send(records);
  expect((await send(records, { principal: { ...person('eve'), isAdmin: true } })).created).toBe(true);
});

test('is stored when the convention has another schema since', async () => {
  await send(records);
  const fields = [
    { name: 'value', type: 'number' as const, required: true, cardinality: 'exactly_one' as const },
    { name: 'note', type: 'text' as const, required: false, cardinality: 'exactly_one' as const },
  ];
  const code = hookCode('return { features: [{ value: metadata.value * 2 }] }');
  await bench.deploy({ doubled: { code } }, { schema: { id: 'bench-record', version: '2.0.0', fields } });
  expect((await send(records)).created).toBe(true);
});
