import type { Answer } from '../../api/index.ts';
import type { Runtime } from '../../hook/release.ts';
import { arrayText } from '../array.ts';
import { isTooLate } from '../clock.ts';
import type { Database, Sql } from '../connection/connect.ts';
import type { Hole } from '../connection/statement.ts';

export interface RunningWorker {
  readonly name: string;
  readonly runtimes: readonly Runtime[];
}

/**
 * Tells that the worker runs, for the next minute; forgets those that have been silent for a day. Batches that wait longer than
 * any are brought back: a clock that was ahead has put them off.
 */
export async function announceWorker(
  { sql }: Pick<Database, 'sql'>,
  { name, runtimes }: RunningWorker,
): Promise<void> {
  await sql`delete from workers where seen_at < now() - interval '1 day'`;
  await sql`
    update batches set available_at = clock_timestamp()
    where id in (
      select id from batches
      where status in ('queued', 'running', 'parked') and ${isTooLate(sql, sql`available_at`)}
      order by available_at, id limit 10000 for no key update skip locked)`;
  await sql`
    insert into workers (name, runtimes) values (${name}, ${arrayText(runtimes)}::text::text[])
    on conflict (name) do update set runtimes = excluded.runtimes, seen_at = now()`;
}

export async function withdrawWorker({ sql }: Pick<Database, 'sql'>, name: string): Promise<void> {
  await sql`delete from workers where name = ${name}`;
}

/** The workers that have told within a minute that they run, by name. */
export async function runningWorkers({ sql }: Pick<Database, 'sql'>): Promise<readonly RunningWorker[]> {
  return sql<RunningWorker[]>`
    select name, runtimes from workers where ${isRunning(sql, sql`seen_at`)} order by name`;
}

/** Releases that no worker can start, of a convention as it is stored at the moment. */
export async function unstartableNow(sql: Sql, slug: string): Promise<Answer<'deploy'>['unstartable']> {
  type Row = Pick<Answer<'deploy'>, 'unstartable'>;
  const [row] = await sql<Row[]>`select ${unstartable(sql, sql`${slug}`)} as unstartable`;
  return row?.unstartable ?? null;
}

/**
 * Why no running worker can start a batch of the convention, as the wire shows it; null if one can. A batch needs one
 * worker with a runner for the live releases of all its hooks.
 */
export function unstartable(sql: Sql, convention: Hole): Hole {
  return unstartableReleases(
    sql,
    sql`
      convention_hooks c
      join hooks h on h.name = c.hook
      join releases r on r.hook = h.name and r.version = h.live_version
      where c.slug = ${convention}`,
  );
}

/** The same for a batch of one hook. */
export function unstartableHook(sql: Sql, hook: Hole): Hole {
  return unstartableReleases(
    sql,
    sql`hooks h join releases r on r.hook = h.name and r.version = h.live_version where h.name = ${hook}`,
  );
}

function unstartableReleases(sql: Sql, releases: Hole): Hole {
  return sql`(
    select jsonb_build_object('workers', running.workers, 'releases', coalesce((
      select jsonb_agg(jsonb_build_object('hook', r.hook, 'version', r.version, 'runtime', r.runtime) order by r.hook)
      from ${releases} and (running.workers = 0 or exists (
        select from workers w where ${isRunning(sql, sql`w.seen_at`)} and r.runtime <> all (w.runtimes)))), '[]'))
    from (select count(*)::integer as workers from workers w where ${isRunning(sql, sql`w.seen_at`)}) running
    where not exists (
      select from workers w
      where ${isRunning(sql, sql`w.seen_at`)} and not exists (select from ${releases} and r.runtime <> all (w.runtimes))))`;
}

/** A time ahead of the clock proves nothing: a worker that runs tells its own again within seconds. */
export function isRunning(sql: Sql, seenAt: Hole): Hole {
  return sql`${seenAt} between now() - interval '1 minute' and now() + interval '1 minute'`;
}
