import type { Answer } from '@osa/core/api';
import { count, counted, duration, secondsBetween, version } from '../../terminal/format.ts';
import { bold, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { pauseLine } from '../pause.ts';

export type Recompute = Answer<'showRecompute'>;
type Stale = Answer<'showStale'>;

export function isOpen({ status }: Pick<Recompute, 'status'>): boolean {
  return status === 'running' || status === 'paused';
}

/** A recompute in words: `seismic_energy, current rows of v2 (heals change #3: v2 → v1)`. */
export function aboutText({
  hook_name,
  releases,
  is_list,
  with_missing,
  convention_id,
  healed,
  recall_id,
}: Recompute): string {
  const of = releases.map((number) => version(number)).join(', ');
  const what = [
    // A list names records that the hook has never seen as well as others.
    ...(is_list ? ['named records'] : releases.length > 0 ? [`current rows of ${of}`] : []),
    ...(with_missing && !is_list ? ['records that it has never seen'] : []),
  ].join(', and ');
  const only = convention_id === null ? '' : `, of ${convention_id}`;
  const heals = healed
    ? ` (heals change #${healed.seq}: ${version(healed.from_version)} → ${version(healed.to_version)})`
    : '';
  const recalled = recall_id === null ? '' : ` (of recall ${recall_id})`;
  return `${hook_name}, ${what}${only}${heals}${recalled}`;
}

export function recomputeLines(recompute: Recompute): Line[] {
  const { id, status, paused, reason, reasons, rejected, errored, started_at, finished_at } = recompute;
  const left = leftIn(recompute);
  const colour = status === 'completed' ? green : isOpen(recompute) ? yellow : red;
  const took = duration(secondsBetween(started_at, finished_at ?? new Date().toISOString()));
  return [
    line`recompute ${id}: ${colour(status)} after ${took}`,
    ...pairs([
      ['of', aboutText(recompute)],
      ...(reason === null ? [] : [['reason', reason] as const]),
      ...countsOf(recompute).map(([name, shown, isBad]) => [name, isBad ? red(shown) : shown] as const),
      ['ran', usedText(recompute)],
    ]),
    ...(paused ? [line`  ${pauseLine(paused)}; osa recomputes resume ${id}`] : []),
    ...reasons.map((text) => line`  ${yellow('!')} ${text}`),
    ...(rejected + errored > 0 ? [`see which did not pass: osa recomputes show ${id} --failed`] : []),
    ...(isOpen(recompute) || left === 0
      ? []
      : [
          line`to go on with all that is left, and try errored ones again: ${bold(`osa recomputes retry ${id}`)}`,
        ]),
    ...(errored > 0 && (isOpen(recompute) || left === 0)
      ? [line`to try the errored ones again: ${bold(`osa recomputes retry ${id}`)}`]
      : []),
  ];
}

function usedText(recompute: Recompute): string {
  const { used } = recompute;
  if (used.length === 0) return isOpen(recompute) ? 'nothing yet' : 'nothing';
  return used
    .map(
      (part) => `${version(part.version)}: ${counted(part.records, 'record')}, ${counted(part.rows, 'row')}`,
    )
    .join('; ');
}

/** How many records it is about. One that was stopped has not cut all of them. */
export function selectedIn({ expected_records, records, is_cut, status }: Recompute): number {
  const isStopped = status === 'cancelled' || status === 'failed';
  return is_cut && !isStopped ? records : Math.max(records, expected_records);
}

/** Those that have no result. */
function leftIn(recompute: Recompute): number {
  return selectedIn(recompute) - recompute.records + recompute.pending;
}

/** Counts of the records, and of their rows. */
export function countsOf(recompute: Recompute): (readonly [name: string, shown: string, isBad: boolean])[] {
  const { overtaken, passed, rejected, errored, rows } = recompute;
  return [
    ['selected', count(selectedIn(recompute)), false],
    ['passed', count(passed), false],
    ['rejected', count(rejected), false],
    ['errored', count(errored), errored > 0],
    ['overtaken', count(overtaken), false],
    ['not done', count(leftIn(recompute)), false],
    ['rows', count(rows), false],
  ];
}

export function recomputeTable(items: readonly Recompute[]): Line[] {
  const rows = items.map((item) => [
    item.id,
    item.hook_name,
    item.releases.map((number) => version(number)).join(' '),
    item.status,
    item.passed,
    item.rejected,
    item.errored,
    item.overtaken,
    item.rows,
    item.reason,
  ]);
  const heads = [
    'recompute',
    'hook',
    'of',
    'status',
    'passed',
    'rejected',
    'errored',
    'overtaken',
    'rows',
    'reason',
  ];
  return table(heads, rows);
}

/** The current rows of a hook by release, and what brings the others under the live one. */
export function staleLines(stale: Stale): Line[] {
  const { hook_name: hook, live_version, releases, stale_records, missing, recomputes } = stale;
  const live = live_version === null ? 'no release is live' : line`${green(version(live_version))} is live`;
  const rows = releases.map((part) => [
    version(part.version),
    part.is_live ? green('live') : yellow('stale'),
    part.records,
    part.rejected,
    part.rows,
  ]);
  return [
    line`${bold(hook)}: ${live}`,
    ...(rows.length === 0
      ? ['no current rows']
      : table(['release', '', 'records', 'rejected', 'rows'], rows)),
    ...(missing > 0 ? [line`${yellow('!')} ${counted(missing, 'record')} it has never seen`] : []),
    ...recomputes.map((id) => line`recompute under way: osa recomputes show ${id}`),
    ...(stale_records + missing > 0 && recomputes.length === 0
      ? [line`to bring all under the live release: ${bold(`osa hooks recompute ${hook}`)}`]
      : []),
  ];
}

/** Records of a recompute with their reasons. */
export function recordLines({ items }: Answer<'listRecomputeRecords'>): Line[] {
  if (items.length === 0) return ['none'];
  const rows = items.map((item) => [
    item.source_id,
    item.convention_id,
    item.status,
    item.record_srn,
    item.reason === null ? null : line`${item.reason}`,
  ]);
  return table(['source id', 'convention', 'status', 'record', 'reason'], rows);
}
