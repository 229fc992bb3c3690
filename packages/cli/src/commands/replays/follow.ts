import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { count } from '../../terminal/format.ts';
import type { ProgressView } from '../../terminal/ui/ingest-progress.tsx';
import { openRunningView } from '../../terminal/ui/running-view.ts';
import { follow } from '../follow.ts';
import { aboutText, type Replay } from './lines.ts';

/**
 * Shows a replay until it is done, or for `timeoutMs`.
 *
 * @throws OsaError as `follow` does
 */
export async function followReplay(
  { output, signal }: Context,
  client: Client,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs?: number | undefined },
): Promise<Replay> {
  const summaryOf = (replay: Replay) => `${count(doneOf(replay))} of ${count(replay.results)} replayed`;
  const view = await openRunningView(output, 'replay', { viewOf, summaryOf });
  const replay = {
    id,
    goesOn: `the replay goes on and changes no row: osa replays show ${id}`,
    look: () => client.call('showReplay', { params: { id } }),
    take(found: Replay) {
      view.show(found);
      return isOpen(found) ? undefined : 'done';
    },
  } as const;
  try {
    return (await follow(replay, { signal, timeoutMs })).last;
  } finally {
    await view.end();
  }
}

/** Whether verdicts may still come. */
export function isOpen({ status }: Pick<Replay, 'status'>): boolean {
  return status === 'queued' || status === 'running';
}

function doneOf({ identical, differs, cannot }: Replay): number {
  return identical + differs + cannot;
}

function viewOf(replay: Replay): ProgressView {
  const { results, identical, differs, cannot, status, reasons } = replay;
  return {
    title: `replay of ${aboutText(replay)}: ${status}`,
    isRunning: isOpen(replay),
    share: results === 0 ? undefined : doneOf(replay) / results,
    counts: [
      ['results', count(results), false],
      ['identical', count(identical), false],
      ['differ', count(differs), differs > 0],
      ['cannot', count(cannot), cannot > 0],
    ],
    notes: [...reasons],
  };
}
