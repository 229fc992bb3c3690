import type { Answer } from '@osa/core/api';
import { bytes, count, duration, secondsBetween, time, version, when } from '../../terminal/format.ts';
import { bold, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';

/** Runs of hooks, for people. */

type Run = Answer<'showRun'>;

export function runStatus(status: string | null): Line {
  if (status === null) return yellow('running');
  return status === 'passed' ? green(status) : red(status);
}

export function runTable(items: Answer<'listRuns'>['items']): Line[] {
  const rows = items.map((run) => [
    run.id,
    `${run.hook_name} ${version(run.version)}`,
    runStatus(run.status),
    run.attempt_count,
    run.rows ?? null,
    duration(run.duration_s ?? undefined),
    when(run.created_at),
    run.reason,
  ]);
  return table(['run', 'release', 'status', 'attempts', 'rows', 'took', 'chosen', 'reason'], rows);
}

export function runLines(run: Run): Line[] {
  const { id, hook_name, status, reason, batch, convention, digest, records, rows, has_logs } = run;
  return [
    line`run ${bold(id)}: ${runStatus(status)}${reason === null ? '' : `, ${reason}`}`,
    ...pairs([
      ['release', `${hook_name} ${version(run.version)}, ${digest}`],
      ['batch', `${batch}, of ${wholeText(run)} ${convention}`],
      ['ran', ranText(run)],
      [
        'records',
        `${count(records.passed)} passed, ${count(records.rejected)} rejected, ${count(records.errored)} errored`,
      ],
      ['rows', rows === null ? '-' : count(rows)],
    ]),
    '',
    ...attemptTable(run),
    ...(has_logs ? ['', `what it said: osa runs logs ${id}`] : []),
  ];
}

function wholeText({ ingestion, recompute }: Run): string {
  return recompute === null ? `ingestion ${ingestion} into` : `recompute ${recompute} of`;
}

/** A run has its times once it has ended; until then its attempts tell. */
function ranText({ started_at, status, duration_s, attempts }: Run): string {
  if (status !== null && started_at === null) return 'its code was not started';
  if (status !== null) return `${time(started_at)}, for ${duration(duration_s ?? undefined)}`;
  const began = attempts[0]?.started_at;
  if (began === undefined) return 'its code was not started yet';
  return `since ${time(began)}, for ${duration(secondsBetween(began, new Date().toISOString()))} so far`;
}

function attemptTable({ attempts, has_logs }: Run): Line[] {
  if (attempts.length === 0) return ['its code was not started yet'];
  const rows = attempts.map((attempt) => [
    attempt.n,
    attempt.ending ?? yellow('running'),
    attempt.exit_signal ?? attempt.exit_code,
    bytes(attempt.memory_bytes),
    duration(secondsBetween(attempt.started_at, attempt.finished_at ?? new Date().toISOString())),
    attempt.runner,
    logText(attempt, has_logs),
    attempt.detail,
  ]);
  return table(['attempt', 'ended', 'exit', 'memory', 'took', 'runner', 'log', 'why'], rows);
}

function logText(
  { log_bytes, log_pruned_at, ending }: Run['attempts'][number],
  hasLogs: boolean,
): string | null {
  if (log_pruned_at !== null) return `${bytes(log_bytes ?? 0)}, pruned on ${time(log_pruned_at)}`;
  if (log_bytes !== null) return bytes(log_bytes);
  return hasLogs && ending === null ? 'so far' : null;
}
