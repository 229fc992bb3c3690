import type postgres from 'postgres';
import type { Selection } from '../../data/dataset.ts';
import type { Sql } from '../connection/connect.ts';

/** Fragments on which rows are there: of records `r`, outcomes `o` and runs `run`. */

export type Fragment = postgres.PendingQuery<postgres.Row[]>;

/**
 * No newer version of the record `r` was published by then. The `offset 0` keeps it a look-up for each record: without it
 * the planner may read all records first.
 */
export function isNewest(sql: Sql, asOf: string): Fragment {
  return sql`not exists (select from records n
    where n.record_id = r.record_id and n.version > r.version
      and n.published_at <= ${asOf}::text::timestamptz offset 0)`;
}

/** No newer computation had replaced the outcome `o` by then. */
export function isStanding(sql: Sql, asOf: string): Fragment {
  return sql`(o.superseded_by is null or exists (
    select from (select run from outcomes where id = o.superseded_by offset 0) later
    cross join lateral (
      select coalesce(current_from, finished_at) as at from runs where id = later.run offset 0) its
    where its.at > ${asOf}::text::timestamptz))`;
}

/** Whether a table or view with these columns has the schema; it is `r` unless it is named. */
export function isOfSchema(sql: Sql, { of }: Pick<Selection, 'of'>, its = sql`r`): Fragment {
  return sql`(${its}.convention, ${its}.schema_id, ${its}.schema_version) = (${of.convention}, ${of.id}, ${of.version})`;
}

/** The content and names of the record `r`, as `p`. */
export function published(sql: Sql): Fragment {
  return sql`cross join lateral (
    select srn, source_id, metadata from published where batch_record = r.batch_record offset 0) p`;
}

/** Fragments with `between` in between; `none` where there are none. */
export function joined(
  sql: Sql,
  fragments: readonly Fragment[],
  between: Fragment,
  none: Fragment,
): Fragment {
  const [first, ...rest] = fragments;
  if (!first) return none;
  return rest.reduce((all, next) => sql`${all}${between}${next}`, first);
}
