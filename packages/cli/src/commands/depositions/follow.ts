import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { milliseconds } from '../../terminal/parse.ts';
import { type Deposition, depositionLines, scopes } from './lines.ts';

const firstPollMs = 100;
const slowestPollMs = 1_000;
/** A server that restarts is waited for; the submission survives it. */
const patienceMs = 60_000;

export const waitOptions = {
  wait: { description: 'wait until the hooks have run; exit with 1 when it comes back' },
  timeout: {
    value: 'TIME',
    description: 'wait at most this long, such as 90s or 15m; then exit with 1',
    parse: milliseconds,
  },
} as const;

/**
 * Shows what is submitted, once its hooks have run where `wait` says so. The code is 1 for what came back, and for what is
 * not done in time.
 *
 * @throws OsaError `interrupted`, or what the server answers; the submission goes on, and the message says how to look at it
 */
export async function showSubmitted(
  context: Context,
  client: Client,
  deposition: Deposition,
  { wait: isWaiting, timeout }: { readonly wait: boolean; readonly timeout: number | undefined },
): Promise<number> {
  const { output } = context;
  const ended = isWaiting ? await follow(context, client, deposition.id, timeout) : deposition;
  output.result(ended, depositionLines(ended));
  if (!isWaiting || ended.status === 'accepted' || ended.status === 'in_review') return 0;
  const why = ended.status === 'draft' ? 'it came back' : 'the time to wait is over';
  output.note(`exit code 1: ${why}`);
  return 1;
}

async function follow(
  { output, signal }: Context,
  client: Client,
  id: string,
  timeoutMs = Number.POSITIVE_INFINITY,
): Promise<Deposition> {
  const began = performance.now();
  let lastAnswer = began;
  let told = '';
  try {
    for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
      const found = await look(client, id, lastAnswer);
      const now = performance.now();
      if (found) {
        lastAnswer = now;
        if (found.status !== 'in_validation' || now - began >= timeoutMs) return found;
        const waits = found.submissions[0]?.waits ?? 'its hooks run';
        if (waits !== told) output.note(`waiting: ${waits}`);
        told = waits;
      }
      await wait(Math.min(pollMs, Math.max(0, timeoutMs - (now - began))), undefined, { signal });
    }
  } catch (cause) {
    const goesOn = `the submission goes on: osa depositions show ${id}`;
    if (signal.aborted) {
      throw new OsaError('interrupted', `interrupted; ${goesOn}`, { details: { id }, cause });
    }
    const known = asOsaError(cause);
    if (!known) throw cause;
    const { code, message, field, details } = known;
    throw new OsaError(code, `${message}; ${goesOn}`, { field, details: { ...details, id }, cause });
  }
}

async function look(client: Client, id: string, lastAnswer: number): Promise<Deposition | undefined> {
  try {
    return await client.call('showDeposition', { params: { id }, scopes });
  } catch (error) {
    const code = asOsaError(error)?.code ?? '';
    const isAway = ['unreachable', 'unavailable', 'busy', 'rate_limited'].includes(code);
    if (isAway && performance.now() - lastAnswer < patienceMs) return undefined;
    throw error;
  }
}
