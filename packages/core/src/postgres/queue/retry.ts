import { v7 as uuid7 } from 'uuid';
import { cutBatches } from '../../ingestion/batches.ts';
import { type Retried, unknownIngestion } from '../../ingestion/ingestions.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { copyRecordFiles } from '../files.ts';
import { takeTurn } from './end.ts';
import { batchesChannel } from './lease.ts';
import { useIndexLookups } from './plans.ts';
import { replaceHeads } from './seal.ts';

/**
 * Copies into new batches what failed, unless its source came in again since: then that content goes first. Retries
 * take turns, the sources are locked against uploads, and only what was locked is looked at.
 */
export async function retry(tx: Transaction, id: string): Promise<Retried> {
  await takeTurn(tx, id);
  await useIndexLookups(tx);
  const [ingestion] = await tx<{ batch_size: number; convention: string }[]>`
    select batch_size, convention from ingestions where id = ${id}`;
  if (!ingestion) throw unknownIngestion(id);
  const locked = await tx<{ id: string }[]>`
    select r.id
    from (
      select r.id, r.source_id from batches b
      cross join lateral (
        select id, source_id from batch_records
        where batch = b.id and status in ('rejected', 'errored') and retried_in is null offset 0) r
      where b.ingestion = ${id} order by r.source_id offset 0) r
    cross join lateral (
      select source_id from sources
      where convention = ${ingestion.convention} and source_id = r.source_id for update) s`;
  const candidates = await tx<{ id: string; newest: boolean; bytes: number }[]>`
    select r.id, s.last_batch = r.batch as newest, octet_length(r.metadata::text) as bytes
    from batch_records r
    cross join lateral (
      select last_batch from sources
      where convention = ${ingestion.convention} and source_id = r.source_id offset 0) s
    where r.id = any (${arrayText(locked.map((row) => row.id))}::text::bigint[])
    order by r.line`;
  const chosen = candidates.filter((candidate) => candidate.newest);
  const left = await leftAlone(tx, id);
  const [next] = await tx<{ index: number }[]>`
    select max(index) + 1 as index from batches where ingestion = ${id}`;
  const groups = cutBatches(chosen, { records: ingestion.batch_size, bytes: (record) => record.bytes });
  for (const [offset, group] of groups.entries()) {
    const ids = group.map((candidate) => candidate.id);
    await retryBatch(tx, { id, convention: ingestion.convention }, (next?.index ?? 0) + offset, ids);
  }
  if (groups.length > 0) await tx`select pg_notify(${batchesChannel}, '')`;
  return {
    retried: chosen.length,
    overtaken: candidates.length - chosen.length,
    batches: groups.length,
    ...left,
  };
}

/** Counts the records that a retry leaves alone: those that the schema refused, and those that are not done. */
async function leftAlone(
  tx: Transaction,
  id: string,
): Promise<Pick<Retried, 'invalid' | 'pending' | 'running'>> {
  const [counts] = await tx<{ invalid: number; pending: number }[]>`
    select coalesce(sum(invalid), 0)::integer as invalid,
           coalesce(sum(records - invalid - unchanged) filter (where finished_at is null), 0)::integer as pending
    from batches where ingestion = ${id}`;
  const running = await tx<Retried['running']>`
    select r.hook, r.version, count(*)::integer as batches
    from (select id from batches
          where ingestion = ${id} and snapshot_at is not null and finished_at is null offset 0) b
    cross join lateral (select hook, version from runs where batch = b.id offset 0) r
    group by r.hook, r.version order by r.hook collate "C", r.version`;
  return { invalid: 0, pending: 0, ...counts, running: [...running] };
}

async function retryBatch(
  tx: Transaction,
  ingestion: { readonly id: string; readonly convention: string },
  index: number,
  ids: readonly string[],
): Promise<void> {
  const batch = uuid7();
  await copyFailed(tx, ingestion.id, { batch, index, ids });
  const arrivals = tx`select source_id, batch from batch_records where batch = ${batch}`;
  await tx`
    insert into batch_gates (batch, predecessor)
    select distinct ${batch}::uuid, p.id
    from (${arrivals} offset 0) r
    cross join lateral (
      select last_recompute from sources
      where convention = ${ingestion.convention} and source_id = r.source_id offset 0) s
    cross join lateral (select id from batches where id = s.last_recompute and status <> 'done' offset 0) p
    on conflict do nothing`;
  await replaceHeads(tx, ingestion.convention, arrivals);
}

/** Makes the new `batch` from failed records, which are then counted in it and no longer where they failed. */
export async function copyFailed(
  tx: Transaction,
  ingestion: string,
  { batch, index, ids }: { readonly batch: string; readonly index: number; readonly ids: readonly string[] },
): Promise<void> {
  const chosen = arrayText(ids);
  await tx`
    insert into batches (id, ingestion, convention, index, records)
    select ${batch}, id, convention, ${index}, ${ids.length} from ingestions where id = ${ingestion}`;
  await tx`
    insert into batch_records (batch, source_id, line, metadata, content_digest)
    select ${batch}, source_id, line, metadata, content_digest from batch_records
    where id = any (${chosen}::text::bigint[])`;
  await copyRecordFiles(tx, { batch, ids });
  // A batch that failed without having run may stand behind another one, and so does what takes its place.
  await tx`
    insert into batch_gates (batch, predecessor)
    select distinct ${batch}::uuid, r.batch from batch_records r join batches p on p.id = r.batch
    where r.id = any (${chosen}::text::bigint[]) and p.status = 'failed'`;
  await tx`update batch_records set retried_in = ${batch} where id = any (${chosen}::text::bigint[])`;
  await tx`
    update batches b
    set retried = retried + c.total, rejected = b.rejected - c.rejected, errored = b.errored - c.errored,
        retried_rows = retried_rows + c.rows
    from (select r.batch, count(*) as total, count(*) filter (where r.status = 'rejected') as rejected,
                 count(*) filter (where r.status = 'errored') as errored, sum(o.rows) as rows
          from batch_records r
          cross join lateral (
            select coalesce(sum(row_count), 0) as rows from outcomes where batch_record = r.id offset 0) o
          where r.id = any (${chosen}::text::bigint[]) group by r.batch) c
    where b.id = c.batch`;
}
