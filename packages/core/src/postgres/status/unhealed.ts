import type { StoredStatus } from '../../status/stored.ts';
import type { Sql } from '../connection/connect.ts';

/** How many releases are named. */
const mostReleases = 50;

/**
 * Releases with current rows although the last change that left them was healed, and the heal has ended. Rows of a release that
 * was left without a heal are stale only.
 */
export async function unhealedHooks(sql: Sql): Promise<StoredStatus['unhealed']> {
  return sql<StoredStatus['unhealed'][number][]>`
    select h.name as hook, heal.id as recompute, c.version, c.records, c.rows
    from hooks h
    cross join lateral (
      select version, sum(records)::float8 as records, sum(rows)::float8 as rows from current_counts
      where hook = h.name and version is distinct from h.live_version
      group by version having sum(records) > 0) c
    cross join lateral (
      select max(seq) + 1 as seq from live_changes where hook = h.name and to_version = c.version) leaving
    cross join lateral (
      select id, finished_at from recomputes where hook = h.name and healed_seq = leaving.seq offset 0) heal
    where heal.finished_at is not null
    order by h.name, c.version limit ${mostReleases}`;
}
