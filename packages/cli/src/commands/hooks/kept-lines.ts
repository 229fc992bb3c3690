import type { Answer } from '@osa/core/api';
import { counted, version } from '../../terminal/format.ts';
import { bold, type Line, line, yellow } from '../../terminal/paint.ts';

type Group = Answer<'rollback'>['still_running'][number];

/** Which batches keep the release that was left, and the two ways to end that; `again` is the command for the second. */
export function keptLines(
  kept: readonly Group[],
  { live, again }: { readonly live: number; readonly again: string },
): Line[] {
  if (kept.length === 0) return [];
  return [
    ...kept.flatMap((group) => [
      line`${yellow('!')} ${batchesOf(group)} ${group.batches === 1 ? 'was' : 'were'} claimed under ${version(group.version)} and ${group.batches === 1 ? 'keeps' : 'keep'} it`,
      group.recompute_id === null
        ? line`  to end the ingestion: ${bold(`osa ingestions cancel ${group.ingestion_id}`)}`
        : line`  to end the recompute: ${bold(`osa recomputes cancel ${group.recompute_id}`)}`,
    ]),
    line`to have them claimed again under ${version(live)}: ${bold(again)}`,
  ];
}

/** `2 batches of ingestion 0198… (quakes)`. */
export function batchesOf(group: Group): string {
  const whole =
    group.recompute_id === null ? `ingestion ${group.ingestion_id}` : `recompute ${group.recompute_id}`;
  return `${counted(group.batches, 'batch', 'batches')} of ${whole} (${group.convention_id})`;
}
