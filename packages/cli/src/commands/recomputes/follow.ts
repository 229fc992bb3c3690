import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '@osa/core/error';
import { visible } from '@osa/core/text';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { duration, secondsBetween } from '../../terminal/format.ts';
import { line, yellow } from '../../terminal/paint.ts';
import type { ProgressView } from '../../terminal/ui/ingest-progress.tsx';
import { aboutText, countsOf, isOpen, type Recompute } from './lines.ts';

const firstPollMs = 100;
const slowestPollMs = 1_000;
/** A server that restarts is waited for; the recompute survives it. */
const patienceMs = 60_000;
const firstLineMs = 5_000;
const rarestLineMs = 60_000;

export interface Followed {
  readonly recompute: Recompute;
  readonly end: 'done' | 'timeout';
}

/**
 * Shows a recompute until it has ended, or for `timeoutMs`.
 *
 * @throws OsaError `interrupted`, or what the server answers; the recompute goes on, and the message says how to look at it
 */
export async function follow(
  context: Context,
  client: Client,
  {
    id,
    timeoutMs = Number.POSITIVE_INFINITY,
  }: { readonly id: string; readonly timeoutMs?: number | undefined },
): Promise<Followed> {
  const view = await open(context);
  try {
    return await poll(client, { id, timeoutMs, signal: context.signal, show: view.show });
  } catch (cause) {
    const goesOn = `the recompute goes on: osa recomputes show ${id}`;
    if (context.signal.aborted)
      throw new OsaError('interrupted', `interrupted; ${goesOn}`, { details: { id }, cause });
    const known = asOsaError(cause);
    if (!known) throw cause;
    const { code, message, field, details } = known;
    throw new OsaError(code, `${message}; ${goesOn}`, { field, details: { ...details, id }, cause });
  } finally {
    await view.end();
  }
}

interface Poll {
  readonly id: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly show: (recompute: Recompute) => void;
}

async function poll(client: Client, { id, timeoutMs, signal, show }: Poll): Promise<Followed> {
  const began = performance.now();
  let lastAnswer = began;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
    const recompute = await look(client, id, lastAnswer);
    const now = performance.now();
    if (recompute) {
      lastAnswer = now;
      show(recompute);
      if (!isOpen(recompute)) return { recompute, end: 'done' };
      if (now - began >= timeoutMs) return { recompute, end: 'timeout' };
    }
    await wait(Math.min(pollMs, Math.max(0, timeoutMs - (now - began))), undefined, { signal });
  }
}

async function look(client: Client, id: string, lastAnswer: number): Promise<Recompute | undefined> {
  try {
    return await client.call('showRecompute', { params: { id } });
  } catch (error) {
    const code = asOsaError(error)?.code;
    const isAway = ['unreachable', 'unavailable', 'busy', 'rate_limited'].includes(code ?? '');
    if (isAway && performance.now() - lastAnswer < patienceMs) return undefined;
    throw error;
  }
}

interface View {
  show(recompute: Recompute): void;
  end(): Promise<void>;
}

/** On a terminal one that moves; elsewhere lines, soon at first and then more and more rarely. */
async function open({ output }: Context): Promise<View> {
  if (output.animated) {
    const { openProgress } = await import('../../terminal/ui/ingest-progress.tsx');
    const screen = openProgress({
      title: 'recompute',
      isRunning: true,
      share: undefined,
      counts: [],
      notes: [],
    });
    return { show: (recompute) => screen.show(viewOf(recompute)), end: () => screen.end() };
  }
  let last = performance.now();
  let waitMs = firstLineMs;
  const told = new Set<string>();
  return {
    show(recompute) {
      const news = recompute.reasons.filter((reason) => !told.has(reason));
      for (const reason of news) told.add(reason);
      if (news.length > 0) output.note(...news.map((reason) => line`${yellow('!')} ${reason}`));
      if (performance.now() - last < waitMs) return;
      [last, waitMs] = [performance.now(), Math.min(waitMs * 1.5, rarestLineMs)];
      output.note(
        countsOf(recompute)
          .map(([name, shown]) => `${shown} ${name}`)
          .join(', '),
      );
    },
    end: async () => undefined,
  };
}

function viewOf(recompute: Recompute): ProgressView {
  const { expected_records, records, pending, is_cut, status, started_at, finished_at, reasons } = recompute;
  const all = is_cut ? records : Math.max(records, expected_records);
  const took = duration(secondsBetween(started_at, finished_at ?? new Date().toISOString()));
  return {
    title: `${visible(aboutText(recompute))}: ${status}, ${took}`,
    isRunning: status === 'running' || status === 'paused',
    share: all === 0 ? undefined : (records - pending) / all,
    counts: countsOf(recompute),
    notes: reasons.map(visible),
  };
}
