import type { Answer } from '@osa/core/api';
import { bytes, count, duration, secondsBetween, time, version } from './format.ts';
import { bold, green, type Line, line, red, yellow } from './paint.ts';
import { pairs, table } from './table.ts';

/** Runs of hooks, for people. */

type Run = Answer<'showRun'>;

export function runStatus(status: string | null): Line {
  if (status === null) return yellow('open');
  return status === 'passed' ? green(status) : red(status);
}

export function runTable(items: Answer<'listRuns'>['items']): Line[] {
  const rows = items.map((run) => [
    run.id,
    `${run.hook_name} ${version(run.version)}`,
    runStatus(run.status),
    run.attempts,
    run.rows ?? null,
    duration(run.duration_s ?? undefined),
    time(run.created_at),
    run.reason,
  ]);
  return table(['run', 'release', 'status', 'attempts', 'rows', 'took', 'chosen', 'reason'], rows);
}

export function runLines(run: Run): Line[] {
  const { id, hook_name, status, reason, batch, ingestion, convention, digest, records, rows, has_logs } =
    run;
  return [
    line`run ${bold(id)}: ${runStatus(status)}${reason === null ? '' : `, ${reason}`}`,
    ...pairs([
      ['release', `${hook_name} ${version(run.version)}, ${digest}`],
      ['batch', `${batch}, of ingestion ${ingestion} into ${convention}`],
      ['ran', `${time(run.started_at)}, for ${duration(run.duration_s ?? undefined)}`],
      [
        'records',
        `${count(records.passed)} passed, ${count(records.rejected)} rejected, ${count(records.errored)} errored`,
      ],
      ['rows', rows === null ? '-' : count(rows)],
    ]),
    '',
    ...attemptTable(run.starts),
    ...(has_logs ? ['', `what it said: osa runs logs ${id}`] : []),
  ];
}

function attemptTable(starts: Run['starts']): Line[] {
  if (starts.length === 0) return ['its code was not started yet'];
  const rows = starts.map((start) => [
    start.n,
    start.outcome ?? yellow('open'),
    start.exit_signal ?? start.exit_code,
    bytes(start.memory_bytes),
    duration(secondsBetween(start.started_at, start.finished_at)),
    start.runner,
    start.log_bytes === null ? null : bytes(start.log_bytes),
    start.detail,
  ]);
  return table(['attempt', 'ended', 'exit', 'memory', 'took', 'runner', 'log', 'why'], rows);
}
