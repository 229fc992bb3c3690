import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';
import type { RecordFilter } from '../ingestion/ingestions.ts';
import { arrayText } from './array.ts';
import type { Sql } from './connection/connect.ts';
import { pagesOf } from './cursor.ts';

const pages = pagesOf('listIngestionRecords');

/**
 * A page of the records of an ingestion, by id. Their ids grow with the index of their batch. The counts of the batches
 * say how many of them hold a page; only the records of those are read. A count may be too low, and is never too high.
 */
export async function ingestionRecords(
  sql: Sql,
  id: string,
  page: Page & { readonly status?: RecordFilter | undefined },
): Promise<Answer<'listIngestionRecords'> | undefined> {
  const [known] = await sql`select from ingestions where id = ${id}`;
  if (!known) return undefined;
  const after = pages.afterNumber(page.cursor) ?? 0;
  const failed = page.status === 'failed';
  const wanted = failed ? ['invalid', 'rejected', 'errored'] : page.status ? [page.status] : null;
  const count = page.limit + 1;
  type Row = Answer<'listIngestionRecords'>['items'][number] & { id: string };
  const rows = await sql<Row[]>`
    with counted as materialized (
      select b.id, b.index, ${countOf(sql, page.status)} as matching, b.retried > 0 as has_retried
      from batches b
      where b.ingestion = ${id} and b.index >= coalesce((
        select p.index from (select batch from batch_records where id = ${after} offset 0) r
        cross join lateral (select ingestion, index from batches where id = r.batch offset 0) p
        where p.ingestion = ${id}), 0)
    ), chosen as materialized (
      select id, index from (
        select id, index, matching, coalesce(sum(matching) over (
          order by index rows between unbounded preceding and 1 preceding), 0) as before,
          first_value(matching) over (order by index) as in_first
        from counted where matching > 0 or has_retried) b
      -- Those of the first one may lie before the page.
      where before - in_first < ${count}
    )
    select r.id, r.source_id, r.line, r.index as batch, r.status, r.reason, p.srn as record_srn,
           coalesce((select jsonb_agg(jsonb_build_object('hook', o.hook, 'version', run.version, 'status', o.status,
                                                         'reason', o.reason) order by o.id)
                     from outcomes o
                     cross join lateral (select version from runs where id = o.run offset 0) run
                     where o.batch_record = r.id), '[]') as outcomes
    from (
      select b.index, r.* from chosen b
      cross join lateral (
        select * from (select * from batch_records where batch = b.id offset 0) r
        where id > ${after}
          and (${wanted === null} or status = any (${arrayText(wanted ?? [])}::text::text[]))
          and (${!failed} or retried_in is null)
        order by id limit ${count}) r
      order by r.id limit ${count}) r
    left join lateral (
      select srn from published
      where batch_record = case r.status when 'published' then r.id else r.record end offset 0) p on true
    order by r.id`;
  const { page: items, next_cursor } = pages.cut(rows, page.limit, (row) => ({
    s: null,
    id: Number(row.id),
  }));
  return { items: items.map(({ id: _, ...item }) => item), next_cursor };
}

/** How many records of the batch `b` are in a list at least. */
function countOf(sql: Sql, status: RecordFilter | undefined) {
  switch (status) {
    case undefined:
      return sql`b.records`;
    case 'failed':
      return sql`b.invalid + b.rejected + b.errored`;
    case 'pending':
      return sql`b.records - b.retried - b.invalid - b.unchanged - b.published - b.rejected - b.errored`;
    default:
      return sql`b.${sql(status)}`;
  }
}
