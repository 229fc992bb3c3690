import type { Claim } from '../../run/queue.ts';
import type { RecordEnd } from '../../run/verdict.ts';
import { arrayText } from '../array.ts';
import { newestTime } from '../clock.ts';
import type { Transaction } from '../connection/connect.ts';

/**
 * Makes the new outcomes the current ones: each supersedes the outcome that was current when the batch was claimed, and
 * its rows with it. One that errored supersedes nothing. The lock keeps it apart from publications of the convention,
 * and from readers as of a moment. The rows are current from a time that all of these come before or after.
 */
export async function supersede(tx: Transaction, claim: Claim, ends: readonly RecordEnd[]): Promise<void> {
  if (ends.length === 0) return;
  await tx`select pg_advisory_xact_lock(hashtext('osa.publish'), hashtext(${claim.convention}))`;
  await tx`
    with run as (update runs set current_from = greatest(
      clock_timestamp(), ${newestTime(tx, claim.convention)} + interval '1 microsecond') where batch = ${claim.batch} returning current_from)
    insert into recompute_times as t (convention, at) select ${claim.convention}, current_from from run
    on conflict (convention) do update set at = excluded.at`;
  await tx`
    update outcomes old set superseded_by = n.id
    from (
      select o.id, c.current_outcome
      from (
        select batch_record, current_outcome from recompute_records
        where batch = ${claim.batch} and current_outcome is not null offset 0) c
      cross join lateral (select id from runs where batch = ${claim.batch} offset 0) run
      cross join lateral (
        select id from outcomes where run = run.id and batch_record = c.batch_record and status <> 'errored' offset 0) o
      order by c.current_outcome) n
    where old.id = n.current_outcome`;
  const sources = new Map(claim.records.map(({ id, sourceId }) => [id, sourceId]));
  await tx`
    update recompute_records c set status = e.status, reason = e.reason
    from unnest(
      ${arrayText(ends.map(({ id }) => sources.get(id) ?? null))}::text::text[],
      ${arrayText(ends.map(({ status }) => (status === 'published' ? 'passed' : status)))}::text::text[],
      ${arrayText(ends.map((end) => end.reason))}::text::text[]
    ) as e (source_id, status, reason)
    cross join lateral (
      select batch, source_id from recompute_records
      where batch = ${claim.batch} and source_id = e.source_id offset 0) k
    where c.batch = k.batch and c.source_id = k.source_id`;
}
