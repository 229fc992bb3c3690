import type { Transaction } from '../connection/connect.ts';
import type { Hole } from '../connection/statement.ts';
import { batchesChannel } from './lease.ts';
import { useIndexLookups } from './plans.ts';

/**
 * Works statement by statement, since each must see the rows that the one before it waited for. It makes the missing
 * heads, locks all of them, notes the unfinished batches there, and puts ours in their place. Heads are taken in one
 * order, so that two uploads never wait for each other in a ring. Where all heads were missing, they are ours already.
 */
export async function seal(tx: Transaction, id: string, convention: string): Promise<void> {
  await useIndexLookups(tx);
  const valid = tx`
    select r.source_id, b.id as batch
    from batches b
    cross join lateral (select source_id from batch_records where batch = b.id and status = 'pending' offset 0) r
    where b.ingestion = ${id} order by r.source_id`;
  const [made] = await tx<{ all: boolean }[]>`
    with made as (
      insert into sources (convention, source_id, record_id, last_batch)
      select ${convention}, source_id, ${newRecordId(tx)}, batch from (${valid}) v order by source_id
      on conflict (convention, source_id) do nothing returning 1)
    select (select count(*) from made) =
      (select sum(records - invalid) from batches where ingestion = ${id}) as all`;
  if (!made?.all) await joinSources(tx, convention, valid);
  await tx`select pg_notify(${batchesChannel}, '')`;
}

async function joinSources(tx: Transaction, convention: string, valid: Hole): Promise<void> {
  // Counted there: even an empty row for each record of a large upload would take hundreds of megabytes here.
  await tx`
    select count(*) from (${valid} offset 0) v
    cross join lateral (
      select source_id from sources where convention = ${convention} and source_id = v.source_id for update) s`;
  await tx`
    insert into batch_gates (batch, predecessor)
    select distinct v.batch, p.id
    from (${valid} offset 0) v
    cross join lateral (
      select last_batch, last_recompute from sources
      where convention = ${convention} and source_id = v.source_id offset 0) s
    cross join lateral (
      select id, status from batches where id in (s.last_batch, s.last_recompute) offset 0) p
    where p.id <> v.batch and p.status <> 'done'`;
  await replaceHeads(tx, convention, valid);
}

/**
 * A UUID of version 7: it begins with the time, so that sources that come in together stay together in the index of
 * records.
 */
function newRecordId(tx: Transaction) {
  return tx`encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid`;
}

/** Makes the batch of each of `arrivals` (source_id, batch) the newest of its source. The heads are there and locked. */
export async function replaceHeads(tx: Transaction, convention: string, arrivals: Hole): Promise<void> {
  await tx`
    insert into sources as s (convention, source_id, record_id, last_batch)
    select ${convention}, source_id, ${newRecordId(tx)}, batch from (${arrivals}) arrivals
    on conflict (convention, source_id) do update set last_batch = excluded.last_batch
    where s.last_batch <> excluded.last_batch`;
}
