import type { Answer } from '../../api/index.ts';
import type { Page } from '../../hook/registry.ts';
import type { Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { missingOf } from './create.ts';

type Stale = Answer<'showStale'>;

/** From counts that are kept: no row is looked at. */
function staleHooks(sql: Sql) {
  return sql`
    select h.name as hook_name, h.live_version,
           coalesce(t.stale_records, 0)::float8 as stale_records, coalesce(t.stale_rows, 0)::float8 as stale_rows,
           ${missingOf(sql, sql`h.name`)}::float8 as missing, coalesce(t.releases, '[]') as releases,
           array(select id from recomputes where hook = h.name and finished_at is null order by id) as recomputes
    from hooks h
    cross join lateral (
      select sum(records) filter (where not is_live) as stale_records, sum(rows) filter (where not is_live) as stale_rows,
             jsonb_agg(jsonb_build_object('version', version, 'is_live', is_live, 'records', records,
                                          'rejected', rejected, 'rows', rows) order by version desc) as releases
      from (
        select version, version is not distinct from h.live_version as is_live, sum(records) as records,
               sum(rejected) as rejected, sum(rows) as rows
        from current_counts where hook = h.name group by version having sum(records) > 0) c) t`;
}

export async function staleOf(sql: Sql, hook: string): Promise<Stale | undefined> {
  const [row] = await sql<Stale[]>`${staleHooks(sql)} where h.name = ${hook}`;
  return row;
}

const pages = pagesOf('listStale');

export async function stale(sql: Sql, { cursor, limit }: Page): Promise<Answer<'listStale'>> {
  const after = pages.after(cursor);
  const rows = await sql<Stale[]>`
    ${staleHooks(sql)} where h.name > ${String(after?.id ?? '')} order by h.name limit ${limit + 1}`;
  const { page, next_cursor } = pages.cut(rows, limit, ({ hook_name }) => ({ s: null, id: hook_name }));
  return { items: page, next_cursor };
}
