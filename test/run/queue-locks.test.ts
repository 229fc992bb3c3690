import { Readable } from 'node:stream';
import { sha256 } from '@osa/core/hook/release';
import { pauseIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { executeNext } from '@osa/core/run/execute';
import type { BatchQueue } from '@osa/core/run/queue';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';
import { attackedDatabase } from '../support/database/sql-attack.ts';
import { boundedReads } from '../support/database/table-reads.ts';

/** A transaction's locks do not hold up work that has nothing to do with it. */

let bench: CoreArchive;
let owner: Database;
beforeEach(async () => {
  bench = await coreArchive();
  owner = bench.open('owner', { max: 3 });
  return () => bench.dispose();
});

const worker = { name: 'w', leaseMs: 60_000, runtimes: ['directory'], fullHooks: [] } as const;
const code = hookCode('return { features: [{ value: metadata.value }] }');

async function someoneWaits(): Promise<boolean> {
  const waiting = await owner.sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return waiting.length > 0;
}

test('a convention that a deploy holds is left for later, and the others go on', async () => {
  await bench.deploy({}, { slug: 'bench' });
  await bench.deploy({}, { slug: 'other', title: 'other' });
  const ours = await bench.ingest([record('x', 1), record('y', 1)], 1);
  const bytes = Buffer.from(`${JSON.stringify(record('z', 1))}\n`);
  const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
  await ingest(bench.store, { principal: admin }, { convention: 'other', batchSize: 5, upload });
  const { queue } = bench.execution;
  await owner.transaction(async (tx) => {
    await tx`select from conventions where slug = 'bench' for no key update`;
    expect((await queue.claim(worker))?.convention).toBe('other');
    expect(await queue.claim(worker)).toBeUndefined();
  });
  expect((await queue.claim(worker))?.ingestion).toBe(ours.id);
});

test('a retry that waits for an upload does not hold up claims of its ingestion', async () => {
  await bench.deploy({ picky: { code: hookCode("return id === 'x' ? { error: 'no' } : { features: [] }") } });
  const { id } = await bench.ingest([record('x', 1), record('y', 1)], 1);
  expect(await executeNext(bench.execution, new AbortController().signal)).toBe(true);
  const { retrying, claim } = await owner.transaction(async (tx) => {
    await tx`select from sources where source_id = 'x' for update`;
    const retrying = retryIngestion(bench.store, { principal: admin }, id);
    await until('the retry waits', someoneWaits);
    return { retrying, claim: await bench.execution.queue.claim(worker) };
  });
  expect(claim?.records.map(({ sourceId }) => sourceId)).toEqual(['y']);
  expect(await retrying).toMatchObject({ retried: 1 });
});

test('a long queue without statistics is looked through by index', async () => {
  await bench.deploy({});
  const several = Array.from({ length: 1500 }, (_, n) => record(`r${n}`, 1));
  const first = await bench.ingest(several, 1);
  await pauseIngestion(bench.store, { principal: admin }, first.id, { reason: null });
  const changed = Array.from({ length: 1500 }, (_, n) => record(`r${n}`, 2));
  await bench.ingest(changed, 1);
  const reader = bench.open('app', { max: 1 });
  const queue: BatchQueue = postgresQueue(reader, { domain: 'localhost' });
  const { measure, over } = boundedReads(reader, {
    ...{ tables: ['batches', 'batch_gates'], entriesPerRecord: Number.POSITIVE_INFINITY, wholeFrom: 2 },
  });
  // All of them wait: the first for the end of the pause, the others for the first.
  expect(await measure('claim', 1, () => queue.claim(worker))).toBeUndefined();
  expect(over).toEqual([]);
});

test('a hook may be named as the index or sequence of another one would be', async () => {
  const names = ['probe', 'probe_pkey', 'probe_id_seq', 'probe_outcome_id_ordinal_key', 'probe_id'];
  await bench.deploy(Object.fromEntries(names.map((name) => [name, { code }])));
  await bench.ingest([record('x', 1)]);
  await bench.drain();
  for (const name of names) {
    expect(await bench.database.sql`select id, value from ${bench.database.sql(`current.${name}`)}`).toEqual([
      { id: '1', value: 1 },
    ]);
  }
});

test('what a running attempt said is not stored again once it has ended', async () => {
  const a = await attackedDatabase();
  onTestFinished(() => a.close());
  const [run] = a.held.runs;
  if (!run) throw new Error('the held batch has no run');
  const attempt = { run: run.id, memoryBytes: 1, runner: 'x' };
  const { n } = await a.queue.startAttempt(a.held, attempt);
  await a.queue.keepLog({ run: run.id, n }, { tail: Buffer.from('one'), bytes: 3 });
  const late = await a.owner.transaction(async (tx) => {
    // Ends an attempt, a moment before the commit.
    await tx`update attempts set finished_at = clock_timestamp(), ending = 'exited' where run = ${run.id} and n = ${n}`;
    await tx`delete from running_logs where run = ${run.id}`;
    const keeping = a.queue.keepLog({ run: run.id, n }, { tail: Buffer.from('two'), bytes: 6 });
    await until('it waits', async () => {
      // The statement's own transaction sees the activity anew.
      await tx`select pg_stat_clear_snapshot()`;
      const waiting = await tx`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return waiting.length > 0;
    });
    return { keeping };
  });
  await late.keeping;
  expect(await a.owner.sql`select from running_logs`).toHaveLength(0);
});
