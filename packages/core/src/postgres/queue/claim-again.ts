import { v7 as uuid7 } from 'uuid';
import type { ClaimedBatch } from '../../hook/registry.ts';
import { arrayText } from '../array.ts';
import type { Sql, Transaction } from '../connection/connect.ts';
import { waitingFor } from '../lock-wait.ts';
import { recomputeAgain } from '../recompute/again.ts';
import { endBatches, turnOf } from './end.ts';
import { batchesChannel } from './lease.ts';
import { useIndexLookups } from './plans.ts';
import { copyFailed } from './retry.ts';
import { replaceHeads } from './seal.ts';

/** The unfinished batches that were claimed with a release of `hook`, and keep it. */
export function claimedBatches(sql: Sql, hook: string) {
  return sql<ClaimedBatch[]>`
    select b.id as batch, r.id as run, b.ingestion, b.recompute, b.convention, r.version
    from (select id, ingestion, recompute, convention from batches
          where snapshot_at is not null and finished_at is null and status <> 'held' offset 0) b
    cross join lateral (select id, version from runs where batch = b.id and hook = ${hook} offset 0) r
    order by b.ingestion, b.recompute, b.id`;
}

/**
 * Ends claimed batches and puts their records into new batches, which take the live releases when they are claimed. A
 * new batch takes the place of the old one: in the queue, as the newest of its sources, and before the batches that
 * wait for it. The caller holds locks that claims wait for, so nothing here waits for a claim or a commit: batches that
 * somebody else holds are left as they are. Gives those that were ended.
 */
export async function claimAgain(
  tx: Transaction,
  batches: readonly ClaimedBatch[],
  reason: string,
): Promise<readonly ClaimedBatch[]> {
  if (batches.length === 0) return [];
  await useIndexLookups(tx);
  const held = await holdBatches(tx, batches);
  if (held.length === 0) return held;
  await endBatches(
    tx,
    held.map(({ batch }) => batch),
    { ended: 'the batch is claimed again', reason },
  );
  for (const old of held) await replace(tx, old);
  await tx`select pg_notify(${batchesChannel}, '')`;
  return held;
}

async function holdBatches(
  tx: Transaction,
  batches: readonly ClaimedBatch[],
): Promise<readonly ClaimedBatch[]> {
  const free = new Set<string>();
  for (const id of new Set(batches.map(wholeOf))) {
    const [turn] = await tx<{ held: boolean }[]>`select pg_try_advisory_xact_lock(${turnOf(tx, id)}) as held`;
    if (turn?.held) free.add(id);
  }
  const wanted = batches.filter((batch) => free.has(wholeOf(batch)));
  const held = await tx<{ id: string }[]>`
    select id from batches
    where id = any (${arrayText(wanted.map(({ batch }) => batch))}::text::uuid[]) and finished_at is null
    order by id for no key update skip locked`;
  const ids = new Set(held.map(({ id }) => id));
  return wanted.filter(({ batch }) => ids.has(batch));
}

/** The ingestion or recompute that the batch is of. */
function wholeOf({ ingestion, recompute }: ClaimedBatch): string {
  return recompute ?? ingestion ?? '';
}

/** Sources are locked before the gates are read: an upload that comes in now waits, and then stands behind the new batch. */
async function replace(tx: Transaction, old: ClaimedBatch): Promise<void> {
  if (old.recompute !== null) return recomputeAgain(tx, { ...old, recompute: old.recompute });
  if (old.ingestion === null) return;
  const open = tx`
    select source_id from batch_records where batch = ${old.batch} and status = 'errored' and retried_in is null`;
  await waitingFor(
    tx,
    `sources of ingestion ${old.ingestion}, which come in again`,
    () => tx`
      select from (${open} order by source_id offset 0) r
      cross join lateral (
        select source_id from sources
        where convention = ${old.convention} and source_id = r.source_id for update) s`,
  );
  const [failed] = await tx<{ ids: string[]; index: number }[]>`
    select array(select id::text from batch_records
                 where batch = ${old.batch} and status = 'errored' and retried_in is null order by line) as ids,
           (select max(index) + 1 from batches where ingestion = ${old.ingestion}) as index`;
  if (!failed || failed.ids.length === 0) return;
  const batch = uuid7();
  await copyFailed(tx, old.ingestion, { batch, index: failed.index, ids: failed.ids });
  await tx`
    update batches set available_at = (select available_at from batches where id = ${old.batch}) where id = ${batch}`;
  await tx`
    insert into batch_gates (batch, predecessor)
    select batch, ${batch} from batch_gates where predecessor = ${old.batch} and batch <> ${batch}`;
  // A source that came in again since keeps the later batch as its newest; that one waits for this one.
  await replaceHeads(
    tx,
    old.convention,
    tx`select r.source_id, r.batch from batch_records r
       cross join lateral (
         select last_batch from sources
         where convention = ${old.convention} and source_id = r.source_id offset 0) s
       where r.batch = ${batch} and s.last_batch = ${old.batch}`,
  );
}
