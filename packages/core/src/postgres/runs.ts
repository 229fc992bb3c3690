import type { Answer } from '../api/index.ts';
import { bounds } from '../limits.ts';
import type { RunLog, RunReads, RunTail } from '../run/run-reads.ts';
import type { Database, Sql } from './connection/connect.ts';
import { pagesOf } from './cursor.ts';
import { isShown } from './deposition/private.ts';
import { attemptColumns, oomRetries } from './trace/columns.ts';
import { utc } from './wire.ts';

export function runReads({ sql }: Pick<Database, 'sql'>): RunReads {
  return {
    list: (query) => list(sql, query),
    show: (id) => show(sql, id),
    log: (id, attempt) => log(sql, id, attempt),
    tail: (id, place) => tail(sql, id, place),
  };
}

type RunItem = Answer<'listRuns'>['items'][number];

function summaryColumns(sql: Sql) {
  return sql`run.id, run.hook as hook_name, run.version, rel.id as release_id, run.status, run.reason, run.batch,
    b.ingestion, b.recompute, b.convention, run.row_count::float8 as rows, run.created_at, run.started_at, run.finished_at,
    case when run.finished_at is not null then extract(epoch from ${codeEnded(sql)} - run.started_at)::float8 end as duration_s,
    (select count(*)::integer from attempts t where t.run = run.id) as attempt_count,
    ${oomRetries(sql)} as oom_retries,
    ${hasLogs(sql)} as has_logs`;
}

/** When the code of a run ended: the run itself ends with its publication, which may wait for a review for days. */
function codeEnded(sql: Sql) {
  return sql`coalesce((select max(t.finished_at) from attempts t where t.run = run.id), run.finished_at)`;
}

/** By `limit 1`, since the planner may answer an \`exists\` by reading all attempts of all runs once. */
function hasLogs(sql: Sql) {
  return sql`coalesce(
    (select true from attempts t where t.run = run.id and length(t.log) > 0 limit 1),
    (select true from running_logs l where l.run = run.id limit 1), false)`;
}

const pages = pagesOf('listRuns');

async function list(sql: Sql, query: Parameters<RunReads['list']>[0]): Promise<Answer<'listRuns'>> {
  const { cursor, limit, hook, status, release, ingestion, recompute } = query;
  const before = pages.after(cursor);
  const open = status === 'open';
  const rows = await sql<RunItem[]>`
    select ${summaryColumns(sql)}
    from runs run
    join batches b on b.id = run.batch
    join releases rel on rel.hook = run.hook and rel.version = run.version
    where ${isShown(sql, sql`run.batch`)}
      ${before ? sql`and (run.created_at, run.id) < (${String(before.s)}::text::timestamptz, ${String(before.id)}::uuid)` : sql``}
      ${hook === undefined ? sql`` : sql`and run.hook between ${hook} and ${hook}`}
      ${release === undefined ? sql`` : sql`and run.version between ${release} and ${release}`}
      ${ingestion === undefined ? sql`` : sql`and b.ingestion = ${ingestion}`}
      ${recompute === undefined ? sql`` : sql`and b.recompute = ${recompute}`}
      ${status === undefined ? sql`` : open ? sql`and run.status is null` : sql`and run.status = ${status}`}
    order by ${orderOf(sql, query)} run.created_at desc, run.id desc limit ${limit + 1}`;
  const { page: items, next_cursor } = pages.cut(rows, limit, ({ created_at, id }) => ({
    s: created_at,
    id,
  }));
  return { items, next_cursor };
}

/**
 * The order that only the index by hook or release has. With an equality the planner may read the index of all runs by time,
 * when its statistics know no other hook.
 */
function orderOf(sql: Sql, { hook, release }: { readonly hook?: unknown; readonly release?: unknown }) {
  if (hook === undefined) return sql``;
  return release === undefined ? sql`run.hook desc,` : sql`run.hook desc, run.version desc,`;
}

async function show(sql: Sql, id: string): Promise<Answer<'showRun'> | undefined> {
  const [row] = await sql<Answer<'showRun'>[]>`
    select ${summaryColumns(sql)}, rel.digest,
      (select jsonb_build_object('passed', count(*) filter (where o.status = 'passed'),
                                 'rejected', count(*) filter (where o.status = 'rejected'),
                                 'errored', count(*) filter (where o.status = 'errored'))
       from outcomes o where o.run = run.id) as records,
      coalesce((select jsonb_agg(to_jsonb(tried) order by tried.n) from (
        select ${attemptColumns(sql)}, a.log_bytes, ${utc(sql, sql`a.log_pruned_at`)} as log_pruned_at from attempts a where a.run = run.id) tried), '[]') as attempts
    from runs run
    join batches b on b.id = run.batch
    join releases rel on rel.hook = run.hook and rel.version = run.version
    where run.id = ${id} and ${isShown(sql, sql`run.batch`)}`;
  return row;
}

async function log(sql: Sql, id: string, attempt: number | undefined): Promise<RunLog | undefined> {
  const [row] = await sql<RunLog[]>`
    select run.hook, case when a.n is not null then coalesce(a.log, l.tail, '') end as log,
           ${utc(sql, sql`a.log_pruned_at`)} as "prunedAt"
    from runs run
    left join attempts a on a.run = run.id
      and a.n = ${attempt === undefined ? sql`(select max(n) from attempts m where m.run = run.id)` : sql`${attempt}`}
    left join running_logs l on l.run = a.run and l.attempt = a.n
    where run.id = ${id} and ${isShown(sql, sql`run.batch`)}`;
  return row;
}

/** Where all of the log is not kept, what is new is taken from its end. */
async function tail(
  sql: Sql,
  id: string,
  { attempt, after }: { readonly attempt: number; readonly after: number },
): Promise<RunTail | undefined> {
  type Row = Pick<RunTail, 'hook' | 'status' | 'ending' | 'attempt_count'> & {
    log: Uint8Array | null;
    bytes: string | null;
  };
  const [row] = await sql<Row[]>`
    select run.hook, run.status, a.ending, coalesce(a.log, l.tail) as log, coalesce(a.log_bytes, l.bytes) as bytes,
           (select count(*)::integer from attempts t where t.run = run.id) as attempt_count
    from runs run
    left join attempts a on a.run = run.id and a.n = ${attempt}
    left join running_logs l on l.run = a.run and l.attempt = a.n
    where run.id = ${id} and ${isShown(sql, sql`run.batch`)}`;
  if (!row) return undefined;
  const { log: kept, bytes: said, ...rest } = row;
  const bytes = Number(said ?? 0);
  const wanted = Math.max(0, bytes - after);
  const end = wanted === 0 ? new Uint8Array() : endOf(kept ?? new Uint8Array(), bytes).slice(-wanted);
  return { ...rest, attempt, bytes, skipped: wanted - end.length, log: Buffer.from(end).toString('base64') };
}

/** The end of a log, from its gap where it is kept in two parts; else all of it. */
function endOf(kept: Uint8Array, bytes: number): Uint8Array {
  return bytes > 2 * bounds.logBytes ? kept.slice(-bounds.logBytes) : kept;
}
