import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { OsaError } from '@osa/core/error';
import { executeComparison } from '@osa/core/recompute/comparison/execute';
import { executeReplay } from '@osa/core/recompute/replay/execute';
import { executeNext } from '@osa/core/run/execute';
import type { Execution } from '@osa/core/run/execution';
import type { Logger } from 'pino';

export interface WorkerOptions {
  readonly execution: Execution;
  /** Batches at a time; 0 for a daemon that runs none. */
  readonly concurrency: number;
  readonly log: Logger;
}

export interface Worker {
  /** Why the worker cannot claim; undefined if it can. */
  trouble(): string | undefined;
  /**
   * Stops claiming, lets running batches finish within `graceMs`, then stops their code and gives them back.
   * Resolves when nothing runs and nothing is left of what ran.
   */
  drain(graceMs: number): Promise<void>;
}

/**
 * Runs batches until it is drained, up to `concurrency` at a time, and beside them one comparison or replay, which takes
 * no place of a batch.
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { concurrency } = options;
  const stop = new AbortController();
  const bell = new Bell();
  const yielding = new AbortController();
  const state: State = { draining: false, trouble: undefined };
  const beside: State = { ...state };
  const execution: Execution = { ...options.execution, isEnding: () => state.draining };
  const unwatch =
    concurrency === 0
      ? undefined
      : await execution.queue.watch((ended) => {
          if (ended !== undefined) execution.held.get(ended)?.();
          bell.ring();
        });
  const batches: Work = {
    what: 'claim batches',
    take: () => executeNext(execution, stop.signal),
  };
  // Somebody waits for a comparison, and a deploy with it.
  const others: Work = {
    what: 'claim comparisons and replays',
    take: async () =>
      (await executeComparison(execution, stop.signal)) ||
      (await executeReplay(execution, AbortSignal.any([stop.signal, yielding.signal]))),
  };
  const { log } = options;
  const loops = Array.from({ length: concurrency }, () => runLoop(log, { work: batches, bell, state }));
  if (concurrency > 0) loops.push(runLoop(log, { work: others, bell, state: beside }));
  const ended = Promise.all(loops);
  return {
    trouble: () => state.trouble,
    async drain(graceMs) {
      state.draining = true;
      beside.draining = true;
      // A replay loses nothing: another worker makes it from the start.
      yielding.abort(new OsaError('interrupted', 'the daemon is stopping'));
      bell.ring();
      const timer = setTimeout(
        () => stop.abort(new OsaError('interrupted', 'the daemon is stopping')),
        graceMs,
      );
      await ended;
      clearTimeout(timer);
      await Promise.all(execution.runners.map((runner) => runner.settle?.()));
      await unwatch?.();
    },
  };
}

/** Shared by the loops of one kind of work. */
interface State {
  draining: boolean;
  trouble: string | undefined;
}

/** The work of a loop; `take` says whether there was something to do. */
interface Work {
  readonly what: string;
  readonly take: () => Promise<boolean>;
}

interface Loop {
  readonly work: Work;
  readonly bell: Bell;
  readonly state: State;
}

/** How often an idle worker polls: an expired lease or a delay that is over rings no bell. */
const pollMs = 1_000;
const longestBackoffMs = 5_000;

async function runLoop(log: Logger, { work, bell, state }: Loop): Promise<void> {
  let failures = 0;
  while (!state.draining) {
    const rings = bell.rings;
    try {
      const found = await work.take();
      if (state.trouble !== undefined) log.info(`the worker can ${work.what} again`);
      state.trouble = undefined;
      failures = 0;
      // A ring during the search may be for a batch that it missed.
      if (!found && bell.rings === rings) await bell.wait(jittered(pollMs));
    } catch (error) {
      // Logged once, however many loops fail, and however often.
      if (state.trouble === undefined) log.error({ err: error }, `the worker cannot ${work.what}`);
      state.trouble = error instanceof Error ? error.message : String(error);
      await bell.wait(jittered(Math.min(longestBackoffMs, 100 * 2 ** failures)));
      failures += 1;
    }
  }
}

/** Between three quarters and five quarters, so that workers do not poll at the same time. */
function jittered(milliseconds: number): number {
  return (milliseconds * (75 + randomInt(50))) / 100;
}

/** Wakes all waiting loops. */
class Bell {
  rings = 0;
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  ring(): void {
    this.rings += 1;
    this.emitter.emit('ring');
  }

  /** Waits until it rings, at most `timeoutMs`. */
  async wait(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const wake = () => resolve();
    this.emitter.once('ring', wake);
    await promise;
    clearTimeout(timer);
    this.emitter.off('ring', wake);
  }
}
