import type { Finds } from '../../trace/tracer.ts';
import type { Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';

/** The newest batches that are looked through; each costs at most one look by key. */
const mostBatches = 5_000;

/** Records of a source that failed and were not tried again, the newest first. */
export function failedRecords(sql: Sql): Finds['failed'] {
  type Failed = Awaited<ReturnType<Finds['failed']>>[number];
  return (sourceId, convention, most) => sql<Failed[]>`
    select b.convention, r.source_id, b.ingestion, r.line, r.status, o.hook, o.version,
           coalesce(o.reason, r.reason) as reason
    from (
      select id, ingestion, convention, invalid + rejected + errored as failed from batches
      order by id desc limit ${mostBatches}) b
    cross join lateral (
      select id, source_id, line, status, reason from batch_records
      where batch = b.id and source_id = ${sourceId} and status in ('invalid', 'rejected', 'errored')
        and retried_in is null offset 0) r
    left join lateral (
      select o.hook, run.version, o.reason from (
        select id, run, hook, reason from outcomes where batch_record = r.id and status <> 'passed' offset 0) o
      cross join lateral (select version from runs where id = o.run offset 0) run
      order by o.id limit 1) o on true
    where b.failed > 0 and b.ingestion is not null and ${isShown(sql, sql`b.id`)}
      and (${convention ?? null}::text is null or b.convention = ${convention ?? null})
    order by b.id desc limit ${most}`;
}

/** The newest version of a record first. */
export function recordVersions(sql: Sql): Finds['record'] {
  type Version = Awaited<ReturnType<Finds['record']>>[number];
  return (recordId, most) => sql<Version[]>`
    select p.srn, p.convention, p.published_at
    from (
      select batch_record, version from records
      where record_id = ${recordId} order by version desc limit ${most}) r
    cross join lateral (
      select srn, convention, published_at from published where batch_record = r.batch_record offset 0) p
    order by r.version desc`;
}
