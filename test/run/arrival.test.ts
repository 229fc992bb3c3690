import { readRecords } from '@osa/core/data/read';
import { cancelIngestion } from '@osa/core/ingestion/control';
import { retryIngestion } from '@osa/core/ingestion/retry';
import { bounds } from '@osa/core/limits';
import type { Claim } from '@osa/core/run/queue';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';

/** Versions follow arrival: whatever ends out of order, the later content of a source is its newest version. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  await bench.deploy({});
  return () => bench.dispose();
});

const worker = { name: 'test', leaseMs: 60_000, runtimes: ['directory'], fullHooks: [] } as const;

async function claim(): Promise<Claim | undefined> {
  return bench.execution.queue.claim(worker);
}

async function claimed(): Promise<Claim> {
  return until('a batch', claim);
}

async function versions(): Promise<[number, unknown][]> {
  const { rows } = await readRecords(bench.store, 'bench-record', { limit: 10, history: true });
  return rows.map((row) => [row.version, 'value' in row ? row.value : undefined] as [number, unknown]).sort();
}

test('an upload waits for the one before it', async () => {
  await bench.ingest([record('x', 1)]);
  await bench.ingest([record('x', 2)]);
  const first = await claimed();
  expect(await claim()).toBeUndefined();
  await bench.execution.queue.finish(first, []);
  await bench.drain();
  expect(await versions()).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

test.each<[string, (claim: Claim, ingestion: string) => Promise<void>]>([
  ['stopping', (sibling) => bench.execution.queue.stopIngestion(sibling, 'it can never run')],
  [
    'cancelling',
    async (sibling, ingestion) => {
      await cancelIngestion(bench.store, { principal: admin }, ingestion, {});
      const finishing = bench.execution.queue.finish(sibling, []);
      await expect(finishing).rejects.toMatchObject({ code: 'lease_lost' });
    },
  ],
])('%s an ingestion in the middle does not let the one behind it pass the one before it', async (_, end) => {
  await bench.ingest([record('x', 1)]);
  const { id } = await bench.ingest([record('x', 2), record('y', 2)], 1);
  await bench.ingest([record('x', 3)]);
  const oldest = await claimed();
  const sibling = await claimed();
  expect(sibling.records.map(({ sourceId }) => sourceId)).toEqual(['y']);
  await end(sibling, id);
  expect(await claim()).toBeUndefined();
  await bench.execution.queue.finish(oldest, []);
  await bench.drain();
  expect(await versions()).toEqual([
    [1, 1],
    [2, 3],
  ]);
});

test('what comes in after an ingestion was cancelled waits for what that waited for', async () => {
  await bench.ingest([record('x', 1)]);
  const oldest = await claimed();
  const { id } = await bench.ingest([record('x', 2)]);
  await cancelIngestion(bench.store, { principal: admin }, id, {});
  await bench.ingest([record('x', 3)]);
  expect(await claim()).toBeUndefined();
  await bench.execution.queue.finish(oldest, []);
  await bench.drain();
  expect(await versions()).toEqual([
    [1, 1],
    [2, 3],
  ]);
});

test.each<[string, (later: Claim) => Promise<unknown>]>([
  ['is published', (later) => bench.execution.queue.finish(later, [])],
  ['runs', async () => undefined],
  ['has failed', (later) => bench.execution.queue.stopIngestion(later, 'it can never run')],
])('a retry leaves out content whose source came in again, when the newer one %s', async (_, end) => {
  const { id } = await bench.ingest([record('x', 1), record('y', 1)]);
  await bench.execution.queue.stopIngestion(await claimed(), 'it can never run');
  await bench.ingest([record('x', 2)]);
  const later = await claimed();
  await end(later);
  const answer = await retryIngestion(bench.store, { principal: admin }, id);
  expect(answer).toMatchObject({ retried: 1, overtaken: 1 });
  expect((await claimed()).records.map(({ sourceId }) => sourceId)).toEqual(['y']);
  expect(await claim()).toBeUndefined();
});

test('what comes in after a stopped ingestion, or is tried again, waits for what that waited for', async () => {
  const { queue } = bench.execution;
  await bench.ingest([record('x', 1)]);
  const { id } = await bench.ingest([record('x', 2), record('y', 2)], 1);
  const oldest = await claimed();
  await queue.stopIngestion(await claimed(), 'it can never run');
  expect(await retryIngestion(bench.store, { principal: admin }, id)).toMatchObject({ retried: 2 });
  const retried = await claimed();
  expect(retried.records.map(({ sourceId }) => sourceId)).toEqual(['y']);
  expect(await claim()).toBeUndefined();
  await queue.finish(oldest, []);
  await queue.finish(retried, []);
  await bench.drain();
  expect(await versions()).toEqual([
    [1, 1],
    [1, 2],
    [2, 2],
  ]);
});

test('a retry looks at nothing that failed after it began', async () => {
  const { queue } = bench.execution;
  const { id } = await bench.ingest([record('x', 1)]);
  const running = await claimed();
  const owner = bench.open('owner', { max: 2 });
  // The upload holds the source while the retry begins; the batch fails and is overtaken before it can go on.
  let retry: Promise<unknown> = Promise.resolve();
  await owner.transaction(async (tx) => {
    await tx`select from sources for update`;
    retry = retryIngestion(bench.store, { principal: admin }, id);
    await queue.stopIngestion(running, 'it can never run');
  });
  await bench.ingest([record('x', 2)]);
  const answer = await retry;
  await bench.drain();
  const newest = (await versions()).at(-1);
  expect({ newest, answer }).toMatchObject({ newest: [expect.anything(), 2] });
});

test('a chain of uploads of one source costs a claim each, and those that wait name the one before them', async () => {
  const ids: string[] = [];
  for (let value = 1; value <= 30; value += 1) ids.push((await bench.ingest([record('x', value)])).id);
  const running = await claimed();
  for (const [index, id] of ids.slice(1).entries()) {
    const shown = await bench.store.ingestions.show(id);
    expect(shown?.reasons).toEqual([
      `waits behind ingestion ${ids[index]}, which came first with some of the same sources`,
    ]);
  }
  expect((await bench.store.ingestions.show(ids[0] ?? ''))?.reasons).toEqual([]);
  await bench.execution.queue.finish(running, []);
  let claims = 1;
  for (let next = await claim(); next; next = await claim()) {
    claims += 1;
    await bench.execution.queue.finish(next, []);
  }
  const [{ fences } = { fences: 0 }] = await bench.database.sql<{ fences: number }[]>`
    select sum(fence)::int as fences from batches`;
  expect({ claims, fences }).toEqual({ claims: 30, fences: 30 });
  expect(await bench.database.sql`select from records`).toHaveLength(30);
  const listed = await bench.store.ingestions.list({ limit: 100, cursor: undefined });
  expect(listed.items.filter(({ status, reasons }) => status !== 'completed' || reasons.length > 0)).toEqual(
    [],
  );
});

test('an ingestion behind one that was stopped names the one before that', async () => {
  const { id: first } = await bench.ingest([record('x', 1)]);
  const running = await claimed();
  const { id: second } = await bench.ingest([record('x', 2)]);
  const { id: third } = await bench.ingest([record('x', 3)]);
  await cancelIngestion(bench.store, { principal: admin }, second, {});
  expect((await bench.store.ingestions.show(third))?.reasons).toEqual([
    `waits behind ingestion ${first}, which came first with some of the same sources`,
  ]);
  await bench.execution.queue.finish(running, []);
  expect((await bench.store.ingestions.show(third))?.reasons).toEqual([]);
});

test('an ingestion that no worker takes up says since when it waits for one', async () => {
  const { id } = await bench.ingest([record('x', 1)]);
  expect((await bench.store.ingestions.show(id))?.reasons).toEqual([]);
  const owner = bench.open('owner', { max: 1 });
  await owner.sql`update batches set available_at = '2026-01-02 03:04:05Z'`;
  expect((await bench.store.ingestions.show(id))?.reasons).toEqual([
    'waits for a worker with a free slot since 2026-01-02T03:04:05Z',
  ]);
  const { id: behind } = await bench.ingest([record('x', 2)]);
  await owner.sql`update batches set available_at = '2026-01-02 03:04:05Z'`;
  expect((await bench.store.ingestions.show(behind))?.reasons).toEqual([
    `waits behind ingestion ${id}, which came first with some of the same sources`,
  ]);
});

test('a batch ends where its records are as large as memory allows', async () => {
  const large = { source_id: 'a', metadata: { value: 1, note: 'x'.repeat(900_000) } };
  const count = Math.ceil(bounds.batchBytes / 900_000) + 1;
  const records = Array.from({ length: count }, (_, index) => ({ ...large, source_id: `r${index}` }));
  const { batches, invalid } = await bench.ingest(records, 10_000);
  expect(invalid).toBe(count);
  expect(batches.queued).toBe(2);
});
