import type { Answer } from '../../api/index.ts';
import type { StoredStatus } from '../../status/stored.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';
import { runningWorkers } from '../queue/workers.ts';
import { pausedJson } from '../registry/pause.ts';
import { affectedRecalls } from '../trace/recall/views.ts';
import { type OpenBatches, openBatches } from './queue.ts';
import { strugglingReleases } from './struggling.ts';
import { unhealedHooks } from './unhealed.ts';

/** How the archive is, as the database sees it. Everything is bounded, and looked up by index. */
export async function storedStatus(
  database: Pick<Database, 'sql'>,
  counted?: OpenBatches,
): Promise<StoredStatus> {
  const { sql } = database;
  const [facts, queue, workers, failing, struggling, stale, unhealed, hooks, ingestions, recalls] =
    await Promise.all([
      serverFacts(sql),
      counted ?? openBatches(sql),
      runningWorkers(database),
      failingReleases(sql),
      strugglingReleases(sql),
      staleRows(sql),
      unhealedHooks(sql),
      pausedHooks(sql),
      pausedIngestions(sql),
      affectedRecalls(sql, mostRecalls),
    ]);
  return {
    now: facts.now,
    database: { version: facts.version, bytes: facts.bytes, migration: facts.migration },
    workers: workers.map(({ name, runtimes }) => ({ name, runtimes: [...runtimes] })),
    queue: { complete: queue.complete, conventions: queue.conventions },
    moving: queue.moving,
    newest_running_at: queue.newestRunningAt,
    failing,
    struggling,
    stale,
    unhealed,
    paused: { hooks, ingestions },
    recalls: recalls.map(({ id, fact, asked, reason, opened_at, current: { records, rows } }) => {
      return { id, fact, asked, reason, opened_at, records, rows };
    }),
  };
}

async function serverFacts(sql: Sql) {
  type Facts = { now: string; version: string; bytes: number; migration: string };
  const [row] = await sql<Facts[]>`
    select now() as now, current_setting('server_version') as version,
           pg_database_size(current_database())::float8 as bytes,
           (select name from schema_migrations order by name desc limit 1) as migration`;
  return row ?? { now: '', version: '', bytes: 0, migration: '' };
}

/** The newest runs that are looked at, and the releases that are named. */
const [mostRuns, mostReleases, mostPaused, mostRecalls] = [50_000, 50, 100, 50];

/**
 * The releases with a run of the last hour that did not pass, those with the most first. Runs are found by the time of
 * their snapshot; one that took longer than a day is left out.
 */
export async function failingReleases(sql: Sql): Promise<Answer<'status'>['failing']> {
  return sql<Answer<'status'>['failing']>`
    with recent as materialized (
      select id, hook, version, status, reason, finished_at from runs
      where created_at > now() - interval '25 hours' and ${isShown(sql, sql`runs.batch`)}
      order by created_at desc, id desc limit ${mostRuns}
    ), ended as (
      select hook, version,
             count(*) filter (where status = 'passed')::integer as passed,
             count(*) filter (where status = 'failed')::integer as failed,
             count(*) filter (where status = 'error')::integer as error,
             (array_agg(id order by finished_at desc, id) filter (where status <> 'passed'))[1] as run
      from recent where finished_at > now() - interval '1 hour'
      group by hook, version
    )
    select e.hook, e.version, h.live_version = e.version as is_live, e.passed, e.failed, e.error, e.run,
           (select reason from runs where id = e.run) as reason
    from ended e
    cross join lateral (select live_version from hooks where name = e.hook offset 0) h
    where e.failed + e.error > 0
    order by e.failed + e.error desc, e.hook, e.version limit ${mostReleases}`;
}

/** Hooks with stale rows that are named. */
const mostStale = 20;

/** By hook, version and set of records the counts are kept, so no row is looked at. */
async function staleRows(sql: Sql): Promise<Answer<'status'>['stale']> {
  const [row] = await sql<Answer<'status'>['stale'][]>`
    with counted as materialized (
      select h.name as hook, h.live_version, c.records, c.rows
      from hooks h
      cross join lateral (
        select sum(records)::float8 as records, sum(rows)::float8 as rows from current_counts
        where hook = h.name and version is distinct from h.live_version offset 0) c
      where c.records > 0
    )
    select coalesce(sum(records), 0)::float8 as records, coalesce(sum(rows), 0)::float8 as rows,
      coalesce((select jsonb_agg(to_jsonb(s)) from (
        select * from counted order by records desc, hook limit ${mostStale}) s), '[]') as hooks
    from counted`;
  return row ?? { records: 0, rows: 0, hooks: [] };
}

async function pausedHooks(sql: Sql): Promise<Answer<'status'>['paused']['hooks']> {
  return sql<Answer<'status'>['paused']['hooks']>`
    select h.name as hook, ${pausedJson(sql, sql`h`)} as paused
    from hooks h where h.paused_at is not null order by h.name limit ${mostPaused}`;
}

async function pausedIngestions(sql: Sql): Promise<Answer<'status'>['paused']['ingestions']> {
  return sql<Answer<'status'>['paused']['ingestions']>`
    select i.id, i.convention, ${pausedJson(sql, sql`i`)} as paused
    from ingestions i where i.paused_at is not null order by i.id desc limit ${mostPaused}`;
}
