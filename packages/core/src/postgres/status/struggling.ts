import type { StoredStatus } from '../../status/stored.ts';
import type { Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';

/** The open batches that are looked through, those that could be claimed first. */
const mostOpen = 50_000;

/**
 * Live releases of which the two newest attempts of a run that goes on have failed. All attempts may take much longer
 * than anybody should wait for the first sign.
 */
export async function strugglingReleases(sql: Sql): Promise<StoredStatus['struggling']> {
  return sql<StoredStatus['struggling'][number][]>`
    select distinct on (r.hook) r.hook, r.version, r.run, a.ending
    from (
      select id, status, reason from batches
      where status in ('queued', 'running', 'parked') and ${isShown(sql, sql`batches.id`)}
      order by available_at, id limit ${mostOpen}) b
    cross join lateral (
      select id as run, hook, version from runs where batch = b.id and finished_at is null offset 0) r
    cross join lateral (select live_version from hooks where name = r.hook offset 0) h
    cross join lateral (
      select count(*) as failed, (array_agg(ending order by n desc))[1] as ending
      from (
        select n, ending, exit_code from attempts
        where run = r.run and finished_at is not null order by n desc limit 2) t
      where ending <> 'exited' or exit_code is distinct from 0) a
    where (b.status = 'running' or b.reason is not null) and a.failed = 2 and h.live_version = r.version
    order by r.hook, r.run`;
}
