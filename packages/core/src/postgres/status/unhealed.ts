import type { StoredStatus } from '../../status/stored.ts';
import type { Sql } from '../connection/connect.ts';

/** Recomputes of a hook that are looked at for its newest heal, and hooks that are named. */
const [mostRecomputes, mostHooks] = [100, 50];

/** Hooks whose newest heal has ended, and which have current rows of a release that it was to leave none of. */
export async function unhealedHooks(sql: Sql): Promise<StoredStatus['unhealed']> {
  return sql<StoredStatus['unhealed'][number][]>`
    select h.name as hook, heal.id as recompute, c.version, c.records, c.rows
    from hooks h
    cross join lateral (
      select id, releases, finished_at from (
        select id, releases, finished_at, healed_seq from recomputes
        where hook = h.name order by id desc limit ${mostRecomputes}) newest
      where healed_seq is not null order by id desc limit 1) heal
    cross join lateral (
      select version, sum(records)::float8 as records, sum(rows)::float8 as rows from current_counts
      where hook = h.name and version = any (heal.releases) and version is distinct from h.live_version
      group by version offset 0) c
    where heal.finished_at is not null and c.records > 0
    order by h.name, c.version limit ${mostHooks}`;
}
