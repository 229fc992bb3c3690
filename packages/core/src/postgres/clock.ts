import type { Sql } from './connection/connect.ts';
import type { Hole } from './connection/statement.ts';
import type { Fragment } from './data/visible.ts';

// The database's clock can be set back, and a standby that takes over may be behind. Stored times then lie in the future.

/**
 * The newest time at which records of a convention were published or rows of it were computed again; null for none. The next
 * one must be later.
 */
export function newestTime(sql: Sql, convention: string): Fragment {
  return sql`greatest((select at from recompute_times where convention = ${convention}), (
    select max(newest) from record_sets s
    cross join lateral (
      select published_at as newest from records
      where record_set = s.id order by published_at desc, record_id desc, version desc limit 1) its
    where s.convention = ${convention}))`;
}

/** Whether a lease has run out, or is longer than any: a clock that was ahead has given it, perhaps to a worker that is gone. */
export function isLeaseOver(sql: Sql, leaseUntil: Hole): Hole {
  return sql`(${leaseUntil} < clock_timestamp() or ${leaseUntil} > clock_timestamp() + interval '65 minutes')`;
}

/** Whether a time is later than any for which work is put off. */
export function isTooLate(sql: Sql, availableAt: Hole): Hole {
  return sql`${availableAt} > clock_timestamp() + interval '6 minutes'`;
}
