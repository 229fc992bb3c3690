import type postgres from 'postgres';
import type { Sql } from '../connection/connect.ts';

/**
 * The version that a rollback of the hook `of` goes back to unless told otherwise: `from_version` of the latest release
 * or activation into the live version from an older one; null where there was none.
 */
export function rollbackTarget(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`(
    select c.from_version from live_changes c
    where c.hook = ${of}.name and c.to_version = ${of}.live_version and c.kind in ('release', 'activate')
      and c.from_version < c.to_version
    order by c.seq desc limit 1)`;
}
