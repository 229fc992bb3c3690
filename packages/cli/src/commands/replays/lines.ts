import type { Answer } from '@osa/core/api';
import { count, counted, duration, secondsBetween, time, version } from '../../terminal/format.ts';
import { bold, dim, green, joined, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';

export type Replay = Answer<'showReplay'>;
export type Certificate = Answer<'listCertificates'>['items'][number];
export type RowReplays = NonNullable<Answer<'traceRow'>['row']['replays']>;
type Counts = Pick<Replay, 'identical' | 'differs' | 'cannot'>;

/** How many results that are not identical are named. */
export const mostNamed = 20;

export function verdictText(verdict: Certificate['verdict']): Line {
  return { identical: green, differs: red, cannot: yellow }[verdict](verdict);
}

/** `3 identical, 1 differs`; what there is none of is left out. */
export function countsText({ identical, differs, cannot }: Counts): Line {
  const parts = [
    ...(identical > 0 ? [green(`${count(identical)} identical`)] : []),
    ...(differs > 0 ? [red(`${count(differs)} ${differs === 1 ? 'differs' : 'differ'}`)] : []),
    ...(cannot > 0 ? [yellow(`${count(cannot)} cannot be replayed`)] : []),
  ];
  return parts.length === 0 ? 'no verdict yet' : joined(parts, ', ');
}

export function aboutText({ kind, hook_name, version: number, run_id, sample, seed }: Replay): string {
  if (kind === 'run') return `run ${run_id}`;
  if (kind === 'rows') return 'named rows';
  const release = number === null ? '' : ` ${version(number)}`;
  return `a sample of ${counted(sample ?? 0, 'result')} of ${hook_name ?? 'all hooks'}${release}, by the seed ${seed}`;
}

export function replayLines(replay: Replay, found: readonly Certificate[]): Line[] {
  const { id, status, results, releases, output, reason, reasons, started_at, finished_at } = replay;
  const took = duration(secondsBetween(started_at, finished_at ?? new Date().toISOString()));
  const left =
    replay.differs + replay.cannot + (output === 'identical' || output === null ? 0 : 1) - found.length;
  return [
    line`replay ${id}: ${status === 'done' ? bold('done') : (status === 'failed' ? red : yellow)(status)} after ${took}`,
    ...pairs([
      ['of', aboutText(replay)],
      ...(reason === null ? [] : [['reason', reason] as const]),
      ['verdict', line`${countsText(replay)}, of ${counted(results, 'result')}`],
      ...(output === null ? [] : [['output', line`${verdictText(output)} (all bytes of the run)`] as const]),
    ]),
    ...reasons.map((text) => line`  ${yellow('!')} ${text}`),
    ...(releases.length > 1 ? releaseTable(releases) : []),
    ...(found.length === 0 ? [] : ['', ...certificateLines(found)]),
    ...(left > 0 && found.length > 0
      ? [line`and ${counted(left, 'more', 'more')}: ${bold(`osa replays show ${id} --certificates`)}`]
      : []),
  ];
}

function releaseTable(releases: Replay['releases']): Line[] {
  return table(
    ['release', 'results', 'identical', 'differ', 'cannot'],
    releases.map((part) => [
      `${part.hook_name} ${version(part.version)}`,
      part.results,
      part.identical,
      part.differs,
      part.cannot,
    ]),
  );
}

/** The verdict of each result: its rows, and where they differ. */
export function certificateLines(certificates: readonly Certificate[]): Line[] {
  return certificates.flatMap((certificate) => {
    const { rows, record_srn, run_id, verdict, reason, columns, examples } = certificate;
    const name = rows[0] ?? record_srn ?? `output of run ${run_id}`;
    const more = rows.length > 1 ? dim(` and more rows of ${record_srn}`) : '';
    const why = reason ?? (columns.length > 0 ? `in ${columns.join(', ')}` : '');
    return [
      line`${bold(name)}${more}  ${verdictText(verdict)}${why === '' ? '' : line` ${why}`}`,
      ...examples.slice(0, 3).map(({ row, column, stored, made }) => {
        return line`  ${row ?? 'a further row'} ${column}: ${stored ?? '-'} → ${bold(made ?? '-')}`;
      }),
    ];
  });
}

export function replayTable(items: readonly Replay[]): Line[] {
  return table(
    ['replay', 'of', 'status', 'results', 'identical', 'differ', 'cannot', 'started', 'by'],
    items.map((item) => [
      item.id,
      aboutText(item),
      item.status,
      item.results,
      item.identical,
      item.differs,
      item.cannot,
      time(item.started_at),
      item.started_by.subject,
    ]),
  );
}

/** In a trace: how often the row was replayed, and the last time. */
export function rowReplayEntries(replays: RowReplays | undefined): (readonly [name: string, value: Line])[] {
  const last = replays?.last;
  if (!replays || !last) return [];
  const { identical, differs, cannot } = replays;
  const times = identical + differs + cannot;
  const where = last.engine === null ? '' : `, by ${last.engine} on ${last.architecture}`;
  const how = last.reason ?? (last.columns.length > 0 ? `in ${last.columns.join(', ')}` : '');
  return [
    ['replayed', line`${times === 1 ? 'once' : `${count(times)} times`}: ${countsText(replays)}`],
    [
      'last',
      line`${verdictText(last.verdict)}${how === '' ? '' : line` ${how}`}, ${time(last.at)}${where}, for ${last.by.subject}`,
    ],
  ];
}
