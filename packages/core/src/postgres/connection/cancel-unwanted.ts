import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';

const asking = new AsyncLocalStorage<AbortSignal>();

/**
 * Runs `work`, whose result nobody wants once `signal` is aborted. Then its statements that run are cancelled, those that
 * wait for a connection are dropped, and both reject with the signal's reason. For reads only: of a write that is
 * cancelled nobody would know whether it is stored.
 */
export function whileWanted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return asking.run(signal, work);
}

/** The signal of the work that is going on; undefined if it is always wanted. */
export function wantedSignal(): AbortSignal | undefined {
  return asking.getStore();
}

/** The server ignores a cancellation that arrives before its statement. */
const againMs = 50;

/**
 * Cancels what the connection does once `signal` is aborted. Call the function that comes back when nothing runs on it;
 * it calls `release` once no cancellation is under way, which could hit the next statement of the connection.
 */
export function cancelUnwanted(
  client: Client,
  signal: AbortSignal | undefined,
): (release: () => void) => void {
  if (signal === undefined) return (release) => release();
  let ended = false;
  let cancelling: Promise<void> | undefined;
  const cancel = async (): Promise<void> => {
    while (!ended && !client.lost.aborted) {
      await client.cancel();
      if (!ended) await delay(againMs);
    }
  };
  const begin = () => {
    cancelling ??= cancel();
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return (release) => {
    ended = true;
    signal.removeEventListener('abort', begin);
    if (cancelling === undefined) release();
    else void cancelling.then(release);
  };
}
