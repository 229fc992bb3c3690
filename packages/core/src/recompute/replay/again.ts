import { OsaError } from '../../error.ts';
import type { Execution, HookExecution } from '../../run/execution.ts';
import type { AttemptEnd, ClaimedRecord, RunResult } from '../../run/queue.ts';
import { runHook, type StoppedClaim } from '../../run/run-hook.ts';
import type { Ended } from '../../run/runner.ts';
import type { HeldPart } from './replays.ts';

/** A release to run again, and the lease that it runs under. */
export type Rerun = Pick<HeldPart, 'batch' | 'fence' | 'hook' | 'version' | 'release' | 'feature'>;

/** The result of one start of the code, in memory only. */
export interface Start {
  readonly engine: string;
  end: AttemptEnd | undefined;
}

export interface Again {
  readonly result: RunResult | StoppedClaim;
  /** By attempt. */
  readonly starts: ReadonlyMap<number, Start>;
}

/**
 * Runs a release over records as a batch would be run: with more memory, and with a division of the records, where the
 * code needs that. No run, attempt or log of it is stored. `endings` are to be disposed of when the output has been
 * read.
 */
export async function runAgain(
  execution: Execution,
  held: Rerun,
  records: readonly ClaimedRecord[],
  { signal, endings, inputDigest }: { signal: AbortSignal; endings: Ended[]; inputDigest: string },
): Promise<Again> {
  const { hook, version, release, feature, batch: id } = held;
  const starts = new Map<number, Start>();
  // Nobody waits for a second try of what takes too long: its records are divided at once.
  const run = { id, hook, version, release, feature, timeouts: Number.MAX_SAFE_INTEGER, notStarted: 0 };
  const context = { signal, endings, inputDigest };
  const unstored: HookExecution = { ...execution, queue: inMemory(starts) };
  return { result: await runHook(unstored, { ...held, records }, run, context), starts };
}

/** The attempts of a run that nobody stores. */
function inMemory(starts: Map<number, Start>): HookExecution['queue'] {
  return {
    async startAttempt(_lease, { runner }) {
      const n = starts.size + 1;
      starts.set(n, { engine: runner, end: undefined });
      return { n, startedAt: new Date().toISOString() };
    },
    async endAttempt({ n }, end) {
      const start = starts.get(n);
      if (!start) throw new OsaError('internal', `attempt ${n} ends and has not begun`);
      start.end = end;
    },
    keepLog: async () => undefined,
  };
}
