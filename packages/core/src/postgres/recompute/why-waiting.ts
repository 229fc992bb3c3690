import type postgres from 'postgres';
import type { Sql } from '../connection/connect.ts';

/**
 * Reasons why the recompute `of` waits, for people: a pause of its hook; batches that run a selected release and were
 * claimed before it began. Its batches also wait for earlier ones with some of the same sources.
 */
export function recomputeHeldUp(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`array(
      select format('hook %s is paused', h.name) || coalesce(': ' || h.pause_reason, '')
      from hooks h where h.name = ${of}.hook and h.paused_at is not null)
    || array(
      select format('waits for %s, claimed under v%s before this began',
                    case when count(*) = 1 then 'a batch' else count(*) || ' batches' end, w.version)
      from recompute_walks w
      cross join lateral (select finished_at from runs where id = w.only_run offset 0) r
      where w.recompute = ${of}.id and w.done_at is null and r.finished_at is null
      group by w.version order by w.version)
    || array(
      select format('waits behind %s %s, which came first with some of the same sources',
                    case when b.recompute is null then 'ingestion' else 'recompute' end, coalesce(b.recompute, b.ingestion))
      from (select id from batches where recompute = ${of}.id and status in ('queued', 'parked')
            order by index limit 20) w
      cross join lateral (select predecessor from batch_gates where batch = w.id limit 20) g
      cross join lateral (
        select ingestion, recompute from batches
        where id = g.predecessor and status in ('queued', 'running', 'parked') offset 0) b
      where b.recompute is distinct from ${of}.id
      group by b.ingestion, b.recompute order by 1 limit 3)`;
}
