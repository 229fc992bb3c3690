import type postgres from 'postgres';
import type { Sql } from '../connection/connect.ts';
import { utc } from '../wire.ts';

/** How often `run` was started again with more memory: within one claim, after an attempt that ran out of it. */
export function oomRetries(sql: Sql) {
  return sql`(
    select count(*)::integer from attempts a join attempts b on b.run = a.run and b.n = a.n + 1 and b.fence = a.fence
    where a.run = run.id and a.ending = 'out_of_memory')`;
}

/** Columns of every reading of an attempt, from `attempts a`. */
export function attemptColumns(sql: Sql) {
  return sql`a.n, a.runner, a.memory_bytes, a.ending, a.exit_code, a.exit_signal, a.detail, a.resolved_digest,
    a.platform_digest, ${utc(sql, sql`a.started_at`)} as started_at, ${utc(sql, sql`a.finished_at`)} as finished_at`;
}

/** When the logs of a run were pruned, which may be at any time after its end. */
export function logPrunedAt(sql: Sql, run: postgres.PendingQuery<postgres.Row[]>) {
  return sql`(select ${utc(sql, sql`max(log_pruned_at)`)} from attempts where run = ${run})`;
}
