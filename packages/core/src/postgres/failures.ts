import type { Answer } from '../api/index.ts';
import { mostFailures } from '../ingestion/ingestions.ts';
import type { Sql } from './connection/connect.ts';

type Failures = Answer<'listIngestionFailures'>;

/**
 * The most frequent reasons. Reasons often quote the value that is wrong, so those that differ in quoted texts and numbers
 * only are counted together. A record that several hooks did not pass counts for each of them.
 */
export async function failures(sql: Sql, id: string, limit: number): Promise<Failures> {
  type Row = Failures['items'][number] & { looked_at: number };
  const rows = await sql<Row[]>`
    with failed as materialized (
      select r.id, r.source_id, r.line, r.status, r.reason
      from batches b
      cross join lateral (
        select id, source_id, line, status, reason from batch_records
        where batch = b.id and status in ('invalid', 'rejected', 'errored') and retried_in is null offset 0) r
      where b.ingestion = ${id} and b.invalid + b.rejected + b.errored > 0
      limit ${mostFailures}
    ), reasons as (
      select f.id, f.source_id, f.line, coalesce(o.status, f.status) as status, o.hook, o.run,
             coalesce(o.reason, f.reason) as reason,
             regexp_replace(coalesce(o.reason, f.reason), '"(\\\\.|[^"\\\\])*"|[0-9]+', '#', 'g') as kind
      from failed f
      left join lateral (
        select hook, run, status, reason from outcomes where batch_record = f.id and status <> 'passed' offset 0) o on true
    ), counted as (
      select status, hook, kind, count(*)::integer as records, min(id) as first, min(reason) = max(reason) as same
      from reasons group by status, hook, kind order by count(*) desc, min(id) limit ${limit}
    )
    select c.status, c.hook, run.version, c.records, f.reason, coalesce(c.same, true) as same, f.source_id, f.line, f.run,
           exists (select from attempts t where t.run = f.run and length(t.log) > 0) as has_logs,
           (select count(*)::integer from failed) as looked_at
    from counted c
    cross join lateral (
      select * from reasons r
      where r.id = c.first and r.hook is not distinct from c.hook and r.status = c.status limit 1) f
    left join runs run on run.id = f.run
    order by c.records desc, c.first`;
  const looked = rows[0]?.looked_at ?? 0;
  const items = rows.map(({ looked_at: _, ...item }) => item);
  return { items, looked_at: looked, complete: looked < mostFailures };
}
