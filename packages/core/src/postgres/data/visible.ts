import type postgres from 'postgres';
import type { Selection } from '../../data/dataset.ts';
import type { Sql } from '../connection/connect.ts';

/** Fragments on which rows are there: of records `r`, outcomes `o` and runs `run`. */

export type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** The content of the published record `r`, which is JSON. */
export function metadataOf(sql: Sql): Fragment {
  return sql`(select metadata from records where srn = r.srn)`;
}

/**
 * No newer version of the record `r` was published by then. The `offset 0` keeps it a look-up for each record: without it
 * the planner may read all records first.
 */
export function isNewest(sql: Sql, asOf: string): Fragment {
  return sql`not exists (select from records n
    where n.convention = r.convention and n.source_id = r.source_id and n.version > r.version
      and n.published_at <= ${asOf}::text::timestamptz offset 0)`;
}

/** No newer computation had replaced the outcome `o` by then. */
export function isStanding(sql: Sql, asOf: string): Fragment {
  return sql`(o.superseded_by is null or exists (
    select from (select run from outcomes where id = o.superseded_by offset 0) later
    cross join lateral (select finished_at from runs where id = later.run offset 0) its
    where its.finished_at > ${asOf}::text::timestamptz))`;
}

export function isOfSchema(sql: Sql, { of }: Pick<Selection, 'of'>): Fragment {
  return sql`r.convention = ${of.convention} and r.schema_id = ${of.id} and r.schema_version = ${of.version}`;
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
