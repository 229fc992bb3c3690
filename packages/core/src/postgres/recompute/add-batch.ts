import { v7 as uuid7 } from 'uuid';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';

export interface NewBatch {
  readonly recompute: string;
  readonly convention: string;
  readonly sources: readonly string[];
}

/**
 * Makes a batch. It takes its place in the order of arrival: it waits for the unfinished batches that brought one of its
 * sources, and what comes in later waits for it. Sources are locked in one order, before the gates are read.
 */
export async function addBatch(
  tx: Transaction,
  { recompute, convention, sources }: NewBatch,
): Promise<string> {
  const batch = uuid7();
  await tx`
    insert into batches (id, recompute, convention, index, records)
    select ${batch}, ${recompute}, ${convention}, coalesce(max(index), -1) + 1, ${sources.length}
    from batches where recompute = ${recompute}`;
  await tx`
    insert into recompute_records (batch, source_id)
    select ${batch}, source_id from unnest(${arrayText(sources)}::text::text[]) as s (source_id)
    order by source_id collate "C"`;
  const ours = tx`select source_id from recompute_records where batch = ${batch} order by source_id offset 0`;
  await tx`
    select from (${ours}) v
    cross join lateral (
      select source_id from sources where convention = ${convention} and source_id = v.source_id for update) s`;
  await tx`
    insert into batch_gates (batch, predecessor)
    select distinct ${batch}::uuid, p.id
    from (${ours}) v
    cross join lateral (
      select last_batch, last_recompute from sources
      where convention = ${convention} and source_id = v.source_id offset 0) s
    cross join lateral (
      select id from batches where id in (s.last_batch, s.last_recompute) and status <> 'done' offset 0) p`;
  await tx`
    update sources s set last_recompute = ${batch}
    from (${ours}) v
    cross join lateral (
      select convention, source_id from sources
      where convention = ${convention} and source_id = v.source_id offset 0) k
    where s.convention = k.convention and s.source_id = k.source_id`;
  return batch;
}
