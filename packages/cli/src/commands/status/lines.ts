import type { Answer } from '@osa/core/api';
import { age, bytes, count, counted } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';

type Status = Answer<'status'>;

/** The whole screen. Healthy parts are short; parts that need a person come last, where the eye is. */
export function statusLines(status: Status, url: string): Line[] {
  const now = Date.parse(status.now);
  return [
    line`${bold(status.domain)} at ${url}: osad ${status.version}, up ${age(status.started_at, now)}`,
    ...pairs(factsOf(status)),
    ...section('queue', queueLines(status, now), 'empty'),
    ...section('runs that failed in the last hour', failingLines(status), 'none'),
    ...section('paused', pausedLines(status, now), 'nothing'),
    ...section('recalled rows that are current', recallLines(status, now), 'none'),
    ...(status.ok ? ['', green('nothing needs you')] : ['', ...needLines(status)]),
  ];
}

function factsOf({ database, disk, workers, stale }: Status): [string, Line][] {
  const names = workers.map(({ name, runtimes }) => `${name} (${runtimes.join(', ') || 'no runner'})`);
  return [
    [
      'database',
      `PostgreSQL ${database.version}, ${bytes(database.bytes)}, migrated to ${database.migration}`,
    ],
    ['disk', `${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)} free`],
    ['workers', names.length === 0 ? yellow('none') : names.join('; ')],
    ['stale', staleText(stale)],
  ];
}

/** Rows of releases that are not live. They are right as long as nobody says otherwise, so they need nobody. */
function staleText({ records, rows, hooks }: Status['stale']): string {
  if (records === 0) return 'no rows';
  const named = hooks.slice(0, 3).map(({ hook, records: count }) => `${hook} (${counted(count, 'record')})`);
  const more = hooks.length > named.length ? ', …' : '';
  return `${counted(rows, 'row')} of other releases than the live ones: ${named.join(', ')}${more}; see osa hooks stale`;
}

function section(title: string, lines: readonly Line[], none: string): Line[] {
  return lines.length === 0 ? ['', line`${bold(title)} ${dim(none)}`] : ['', bold(title), ...lines];
}

const whys: Readonly<Record<Status['queue']['conventions'][number]['waits'][number]['why'], string>> = {
  worker: 'for a worker',
  paused: 'paused',
  earlier_batch: 'behind earlier batches with the same sources',
  retry: 'to be tried again',
  claim_failures: 'claims fail',
  no_live_release: 'no live release',
  no_runner: 'no runner',
};

function queueLines({ queue }: Status, now: number): Line[] {
  const rows = queue.conventions.map(({ convention, queued, running, parked, oldest_at, waits }) => [
    convention,
    queued,
    running,
    parked,
    oldest_at === null ? null : age(oldest_at, now),
    waits
      .map(({ why, batches, example }) => `${count(batches)} ${whys[why]}${example ? `: ${example}` : ''}`)
      .join('; '),
  ]);
  if (rows.length === 0) return [];
  return [
    ...table(['convention', 'queued', 'running', 'parked', 'oldest', 'why batches wait'], rows),
    ...(queue.complete ? [] : [dim('the queue is longer; these are the batches that come first')]),
  ];
}

function failingLines({ failing }: Status): Line[] {
  if (failing.length === 0) return [];
  const rows = failing.map(({ hook, version, is_live, passed, failed, error, reason }) => {
    const name = `v${version}${is_live ? '' : ' (not live)'}`;
    const bad = failed + error;
    return [hook, bad > passed && is_live ? red(name) : name, `${bad} of ${passed + bad}`, reason ?? '-'];
  });
  return table(['hook', 'release', 'failed', 'the last reason'], rows);
}

function pausedLines({ paused }: Status, now: number): Line[] {
  const told = ({ at, by, reason }: Status['paused']['hooks'][number]['paused']) =>
    `${age(at, now)} ago by ${by.subject}${reason === null ? '' : `: ${reason}`}`;
  return [
    ...paused.hooks.map((entry) => line`  ${yellow('hook')} ${entry.hook}, ${told(entry.paused)}`),
    ...paused.ingestions.map(
      (entry) => line`  ${yellow('ingestion')} ${entry.id} of ${entry.convention}, ${told(entry.paused)}`,
    ),
  ];
}

function recallLines({ recalls }: Status, now: number): Line[] {
  if (recalls.length === 0) return [];
  const rows = recalls.map(({ id, fact, asked, reason, opened_at, rows: current }) => [
    id,
    `${fact} ${asked}`,
    count(current),
    age(opened_at, now),
    reason,
  ]);
  return table(['recall', 'of', 'rows', 'open for', 'reason'], rows);
}

function needLines({ needs }: Status): Line[] {
  return [
    red(`${counted(needs.length, 'thing')} ${needs.length === 1 ? 'needs' : 'need'} a person`),
    ...needs.flatMap(({ detail, next }) => [
      line`  ${red('✖')} ${detail}`,
      line`    ${dim('next:')} ${next}`,
    ]),
  ];
}
