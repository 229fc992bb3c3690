import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { count } from '../../terminal/format.ts';
import type { ProgressView } from '../../terminal/ui/ingest-progress.tsx';
import { aboutText, type Replay } from './lines.ts';

const firstPollMs = 100;
const slowestPollMs = 1_000;
/** A server that restarts is waited for; the replay survives it. */
const patienceMs = 60_000;
/** Between two lines where nothing moves on the screen. */
const lineMs = 10_000;

/**
 * Shows a replay until it is done, or for `timeoutMs`.
 *
 * @throws OsaError `interrupted`, or what the server answers; the replay goes on
 */
export async function follow(
  context: Context,
  client: Client,
  { begun, timeoutMs = Number.POSITIVE_INFINITY }: { begun: Replay; timeoutMs?: number | undefined },
): Promise<Replay> {
  const { signal } = context;
  const view = await open(context);
  const deadline = performance.now() + timeoutMs;
  let replay = begun;
  let lastAnswer = performance.now();
  try {
    for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
      view.show(replay);
      if (!isOpen(replay) || performance.now() >= deadline) return replay;
      await wait(Math.min(pollMs, Math.max(0, deadline - performance.now())), undefined, { signal });
      const answer = await look(client, begun.id, lastAnswer);
      if (answer) [replay, lastAnswer] = [answer, performance.now()];
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
    const message = `interrupted; the replay goes on and changes no row: osa replays show ${begun.id}`;
    throw new OsaError('interrupted', message, { details: { id: begun.id }, cause });
  } finally {
    await view.end();
  }
}

/** Whether verdicts may still come. */
export function isOpen({ status }: Pick<Replay, 'status'>): boolean {
  return status === 'queued' || status === 'running';
}

async function look(client: Client, id: string, lastAnswer: number): Promise<Replay | undefined> {
  try {
    return await client.call('showReplay', { params: { id } });
  } catch (error) {
    const code = asOsaError(error)?.code;
    const isAway = ['unreachable', 'unavailable', 'busy', 'rate_limited'].includes(code ?? '');
    if (isAway && performance.now() - lastAnswer < patienceMs) return undefined;
    throw error;
  }
}

interface View {
  show(replay: Replay): void;
  end(): Promise<void>;
}

/** On a terminal one that moves; elsewhere a line now and then. */
async function open({ output }: Context): Promise<View> {
  if (output.animated) {
    const { openProgress } = await import('../../terminal/ui/ingest-progress.tsx');
    const screen = openProgress({
      title: 'replay',
      isRunning: true,
      share: undefined,
      counts: [],
      notes: [],
    });
    return { show: (replay) => screen.show(viewOf(replay)), end: () => screen.end() };
  }
  let last = performance.now();
  const told = new Set<string>();
  return {
    show(replay) {
      for (const reason of replay.reasons.filter((text) => !told.has(text))) {
        told.add(reason);
        output.note(reason);
      }
      if (performance.now() - last < lineMs) return;
      last = performance.now();
      output.note(`${count(doneOf(replay))} of ${count(replay.results)} replayed`);
    },
    end: async () => undefined,
  };
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
