import { visible } from '@osa/core/text';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { duration, secondsBetween } from '../../terminal/format.ts';
import type { ProgressView } from '../../terminal/ui/ingest-progress.tsx';
import { countsText, openRunningView } from '../../terminal/ui/running-view.ts';
import { follow } from '../follow.ts';
import { aboutText, countsOf, isOpen, type Recompute, selectedIn } from './lines.ts';

/**
 * Shows a recompute until it has ended, or for `timeoutMs`.
 *
 * @throws OsaError as `follow` does
 */
export async function followRecompute(
  { output, signal }: Context,
  client: Client,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs?: number | undefined },
): Promise<{ readonly recompute: Recompute; readonly end: 'done' | 'timeout' }> {
  const summaryOf = (recompute: Recompute) => countsText(countsOf(recompute));
  const view = await openRunningView(output, 'recompute', { viewOf, summaryOf });
  const recompute = {
    id,
    goesOn: `the recompute goes on: osa recomputes show ${id}`,
    look: () => client.call('showRecompute', { params: { id } }),
    take(found: Recompute) {
      view.show(found);
      return isOpen(found) ? undefined : 'done';
    },
  } as const;
  try {
    const { last, end } = await follow(recompute, { signal, timeoutMs });
    return { recompute: last, end };
  } finally {
    await view.end();
  }
}

function viewOf(recompute: Recompute): ProgressView {
  const { records, pending, status, started_at, finished_at, reasons } = recompute;
  const all = selectedIn(recompute);
  const took = duration(secondsBetween(started_at, finished_at ?? new Date().toISOString()));
  return {
    title: `${visible(aboutText(recompute))}: ${status}, ${took}`,
    isRunning: status === 'running' || status === 'paused',
    share: all === 0 ? undefined : (records - pending) / all,
    counts: countsOf(recompute),
    notes: reasons.map(visible),
  };
}
