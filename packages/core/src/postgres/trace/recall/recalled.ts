import type { Sql } from '../../connection/connect.ts';
import type { Fragment } from '../../data/visible.ts';

/** Notices that one thing names, at most. */
const mostNotices = 20;

/** By what a thing may be recalled; each part is an expression. */
export interface Recallable {
  readonly hook?: Fragment;
  readonly version?: Fragment;
  readonly run?: Fragment;
  /** The key of a published record. */
  readonly record?: Fragment;
}

/**
 * The open notices on a thing, as JSON: `[{id, reason}]`. Where there are no recalls at all, the statement looks once for one,
 * and at nothing for each row.
 */
export function recalledJson(sql: Sql, of: Recallable): Fragment {
  return sql`(case when exists (select from recalls) then (
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'reason', c.reason) order by c.id), '[]')
    from (${notices(sql, of)} order by id limit ${mostNotices}) c) else '[]' end)`;
}

function notices(sql: Sql, { hook, version, run, record }: Recallable): Fragment {
  const parts = [
    ...(hook && version
      ? [sql`select id, reason from recalled_releases where hook = ${hook} and version = ${version}`]
      : []),
    ...(run ? [sql`select id, reason from recalled_runs where run = ${run}`] : []),
    ...(record ? [sql`select id, reason from recalled_records where batch_record = ${record}`] : []),
  ];
  return parts.reduce((all, next) => sql`${all} union ${next}`);
}
