import type { Sql } from './connection/connect.ts';
import type { Fragment } from './data/visible.ts';

/**
 * The newest time at which records of a convention were published or rows of it were computed again; null for none. The next
 * one must be later: a clock can be set back, and a standby that takes over may be behind.
 */
export function newestTime(sql: Sql, convention: string): Fragment {
  return sql`greatest((select at from recompute_times where convention = ${convention}), (
    select max(newest) from record_sets s
    cross join lateral (
      select published_at as newest from records
      where record_set = s.id order by published_at desc, record_id desc, version desc limit 1) its
    where s.convention = ${convention}))`;
}
