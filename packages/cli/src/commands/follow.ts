import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '@osa/core/error';

/** Polls begin quickly, for what is soon done, and slow down. Milliseconds. */
const firstPollMs = 100;
const slowestPollMs = 1_000;
/** A server that restarts is waited for; what it does goes on afterwards. */
const patienceMs = 60_000;

/** Something that goes on at the server whether anybody waits for it or not. */
export interface Followed<T, E extends string> {
  readonly id: string;
  /** Shown when the command stops waiting: the work goes on, and this command shows it. */
  readonly goesOn: string;
  /** Asks the server how it is. */
  look(): Promise<T>;
  /** Called when the server stops answering, once each time. */
  away?(): void;
  /** Shows an answer, and says whether it is the last one, and why. */
  take(found: T): E | undefined;
}

export interface Wait {
  readonly signal: AbortSignal;
  /** How long to wait; without it until the end. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Waits until the last answer, or for `timeoutMs`.
 *
 * @throws OsaError `interrupted`, `unreachable` when the server is away at the end of the time, or what the server answers. The
 * message says how to look at what goes on, and `details.id` is its id.
 */
export async function follow<T, E extends string>(
  followed: Followed<T, E>,
  limits: Wait,
): Promise<{ readonly last: T; readonly end: E | 'timeout' }> {
  const { id, goesOn } = followed;
  try {
    return await poll(followed, limits);
  } catch (cause) {
    if (limits.signal.aborted)
      throw new OsaError('interrupted', `interrupted; ${goesOn}`, { details: { id }, cause });
    const known = asOsaError(cause);
    if (!known) throw cause;
    const { code, message, field, details } = known;
    throw new OsaError(code, `${message}; ${goesOn}`, { field, details: { ...details, id }, cause });
  }
}

async function poll<T, E extends string>(
  { look, take, away }: Followed<T, E>,
  { signal, timeoutMs = Number.POSITIVE_INFINITY }: Wait,
): Promise<{ last: T; end: E | 'timeout' }> {
  const began = performance.now();
  let lastAnswer = began;
  let isAway = false;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
    const last = await unlessAway(look, lastAnswer);
    const now = performance.now();
    if (!last && !isAway) away?.();
    isAway = !last;
    const isOver = now - began >= timeoutMs;
    if (last) {
      lastAnswer = now;
      const end = take(last) ?? (isOver ? 'timeout' : undefined);
      if (end) return { last, end };
    } else if (isOver) {
      throw new OsaError('unreachable', 'the time to wait is over, and the server does not answer');
    }
    await wait(Math.min(pollMs, Math.max(0, timeoutMs - (now - began))), undefined, { signal });
  }
}

/** The answer, or undefined while the server is away or busy and has not been for long. */
async function unlessAway<T>(look: () => Promise<T>, lastAnswer: number): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const code = asOsaError(error)?.code;
    const isAway = ['unreachable', 'unavailable', 'busy', 'rate_limited'].includes(code ?? '');
    if (isAway && performance.now() - lastAnswer < patienceMs) return undefined;
    throw error;
  }
}
