import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ending } from '../../run/runner.ts';
import { untilTooLarge } from './output-size.ts';

/** Between the request to end and the kill after a timeout. */
const graceMs = 2_000;

/** Code that runs, and the ways to end it. */
export interface Running {
  /** Resolves when the code has ended. */
  readonly exited: Promise<unknown>;
  /** Resolves when its time begins: to false if it was not made and has been given up. */
  readonly begun: Promise<boolean>;
  readonly timeoutMs: number;
  /** Cancels it. */
  readonly signal: AbortSignal;
  isTooLarge(): Promise<boolean>;
  /** Asks the code to end. */
  terminate(): Promise<unknown>;
  /** Ends it for certain; no longer needed once `dead` is aborted. */
  kill(dead: AbortSignal): Promise<unknown>;
}

/**
 * Waits for the end of an attempt's code, and ends it on timeout, on cancellation and when its output is too large;
 * the first of these is the ending.
 *
 * @throws what the ways to end the code throw, and an error when the output can no longer be watched
 */
export async function untilEnded(running: Running): Promise<Ending> {
  const { signal } = running;
  let ending: Ending = 'exited';
  const ended = new AbortController();
  const because = (why: Ending) => {
    if (ending === 'exited' && !ended.signal.aborted) ending = why;
  };
  const expire = async () => {
    if (!(await running.begun) || !(await slept(running.timeoutMs, ended.signal))) return;
    because('timeout');
    await running.terminate();
    if (await slept(graceMs, ended.signal)) await running.kill(ended.signal);
  };
  const cancel = async () => {
    if (!signal.aborted) await once(signal, 'abort', { signal: ended.signal }).catch(() => undefined);
    if (!signal.aborted || ended.signal.aborted) return;
    because('cancelled');
    await running.kill(ended.signal);
  };
  const contain = async () => {
    if (!(await untilTooLarge(() => running.isTooLarge(), ended.signal))) return;
    because('output_too_large');
    await running.kill(ended.signal);
  };
  const exit = running.exited.then(() => ended.abort());
  try {
    await Promise.all([exit, expire(), cancel(), contain()]);
  } finally {
    ended.abort();
  }
  return ending;
}

/** False when it was woken before. */
export async function slept(milliseconds: number, woken: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal: woken }).catch(() => false);
}
