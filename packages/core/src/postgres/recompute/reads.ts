import type { Answer } from '../../api/index.ts';
import type { Page } from '../../hook/registry.ts';
import type { Recompute, RecomputeFilter, RecomputeReads } from '../../recompute/recomputes.ts';
import { arrayText } from '../array.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { unstartableHook } from '../queue/workers.ts';
import { pausedJson } from '../registry/pause.ts';
import { stale, staleOf } from './stale.ts';
import { recomputeHeldUp } from './why-waiting.ts';

export function recomputeReads({ sql }: Pick<Database, 'sql'>): RecomputeReads {
  return {
    stale: (page) => stale(sql, page),
    staleOf: (hook) => staleOf(sql, hook),
    list: (query) => list(sql, query),
    show: (id) => recomputeView(sql, id),
    records: (id, page) => records(sql, id, page),
  };
}

/** Recomputes with their counts, which are kept on the batches. */
function views(sql: Sql) {
  return sql`
    select c.id, c.hook as hook_name, c.releases, c.convention as convention_id, c.is_list, c.with_missing,
           (select jsonb_build_object('seq', l.seq, 'from_version', l.from_version, 'to_version', l.to_version)
            from live_changes l where l.hook = c.hook and l.seq = c.healed_seq) as healed,
           c.reason, c.recall as recall_id,
           case when c.finished_at is null and c.paused_at is not null then 'paused'
                when c.finished_at is null then 'running' when c.cancelled then 'cancelled'
                when c.stopped_at is not null then 'failed' else 'completed' end as status,
           ${pausedJson(sql, sql`c`)} as paused,
           c.expected_records::float8, c.expected_rows::float8, c.cut_at is not null as is_cut,
           (b.records - b.retried)::float8 as records, b.unchanged::float8 as overtaken, b.published::float8 as passed,
           b.rejected::float8, b.errored::float8,
           (b.records - b.retried - b.unchanged - b.published - b.rejected - b.errored)::float8 as pending,
           b.retried::float8, b.rows::float8, b.batches,
           coalesce((
             select jsonb_agg(to_jsonb(u) order by u.version) from (
               select r.version, count(*)::integer as batches, sum(w.published + w.rejected + w.errored)::float8 as records,
                      sum(w.rows)::float8 as rows
               from (select id, published, rejected, errored, rows from batches
                     where recompute = c.id and snapshot_at is not null and published + rejected + errored > 0 offset 0) w
               cross join lateral (select version from runs where batch = w.id offset 0) r
               group by r.version) u), '[]') as used,
           b.reasons || case when c.stop_reason is not null then array[c.stop_reason] else '{}' end
             || case when c.finished_at is null then ${recomputeHeldUp(sql, sql`c`)} else '{}' end as reasons,
           case when b.waiting > 0 then ${unstartableHook(sql, sql`c.hook`)} end as unstartable,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as started_by,
           c.created_at as started_at, c.finished_at
    from recomputes c
    join actors a on a.id = c.actor
    cross join lateral (
      select coalesce(sum(records), 0) as records, coalesce(sum(unchanged), 0) as unchanged,
             coalesce(sum(published), 0) as published, coalesce(sum(rejected), 0) as rejected,
             coalesce(sum(errored), 0) as errored, coalesce(sum(retried), 0) as retried, coalesce(sum(rows), 0) as rows,
             count(*) filter (where status in ('queued', 'parked')) as waiting,
             jsonb_build_object('queued', count(*) filter (where status = 'queued'),
                                'running', count(*) filter (where status = 'running'),
                                'parked', count(*) filter (where status = 'parked'),
                                'done', count(*) filter (where status = 'done'),
                                'failed', count(*) filter (where status = 'failed')) as batches,
             coalesce(array_agg(distinct reason) filter (
               where reason is not null and (status <> 'failed' or errored > 0)), '{}') as reasons
      from batches where recompute = c.id) b`;
}

export async function recomputeView(sql: Sql, id: string): Promise<Recompute | undefined> {
  const [row] = await sql<Recompute[]>`${views(sql)} where c.id = ${id}`;
  return row && distinctReasons(row);
}

/** A recompute that was stopped says so once, not for each of its batches too. */
function distinctReasons(view: Recompute): Recompute {
  return { ...view, reasons: [...new Set(view.reasons)] };
}

const listPages = pagesOf('listRecomputes');

async function list(
  sql: Sql,
  { cursor, limit, hook }: Parameters<RecomputeReads['list']>[0],
): Promise<Answer<'listRecomputes'>> {
  const before = listPages.after(cursor);
  const rows = await sql<Recompute[]>`
    ${views(sql)}
    where true ${before ? sql`and c.id < ${String(before.id)}::uuid` : sql``}
      ${hook === undefined ? sql`` : sql`and c.hook = ${hook}`}
    order by c.id desc limit ${limit + 1}`;
  const { page, next_cursor } = listPages.cut(rows, limit, ({ id }) => ({ s: null, id }));
  return { items: page.map(distinctReasons), next_cursor };
}

const recordPages = pagesOf('listRecomputeRecords');

/** By batch and source. Batches that hold none of the wanted records are passed over by their counts. */
async function records(
  sql: Sql,
  id: string,
  page: Page & { readonly status?: RecomputeFilter | undefined },
): Promise<Answer<'listRecomputeRecords'> | undefined> {
  const [known] = await sql`select from recomputes where id = ${id}`;
  if (!known) return undefined;
  const after = recordPages.after(page.cursor);
  const failed = page.status === 'failed';
  const wanted = failed ? ['rejected', 'errored'] : page.status ? [page.status] : null;
  type Row = Answer<'listRecomputeRecords'>['items'][number];
  const rows = await sql<Row[]>`
    select c.source_id, b.convention as convention_id, b.index as batch, c.status, c.reason, p.srn as record_srn
    from (
      select id, index, convention from batches
      where recompute = ${id} and index >= ${Number(after?.id ?? 0)}::integer
        and (${!failed} or rejected + errored > 0)
      order by index) b
    cross join lateral (
      select * from recompute_records
      where batch = b.id and (b.index > ${Number(after?.id ?? -1)}::integer or source_id > ${String(after?.s ?? '')})
        and (${wanted === null} or status = any (${arrayText(wanted ?? [])}::text::text[]))
        and (${!failed} or retried_in is null)
      order by source_id limit ${page.limit + 1}) c
    left join lateral (select srn from published where batch_record = c.batch_record offset 0) p on true
    order by b.index, c.source_id limit ${page.limit + 1}`;
  const { page: items, next_cursor } = recordPages.cut(rows, page.limit, ({ batch, source_id }) => ({
    s: source_id,
    id: batch,
  }));
  return { items, next_cursor };
}
