import type { Ending } from './runner.ts';

/** The action after a hook's code ended. The one place where facts become actions. */
export type Action =
  /** Read the output. */
  | 'done'
  /** Start again at once with more memory, over what is not answered yet; give up where there is no more. */
  | 'more_memory'
  /** Start again at once over parts of the records, down to the record that ends the code; see `division`. */
  | 'divide'
  /** Give the batch back, to run again later; after `mostTries` of this end divide a timeout, and give up otherwise. */
  | 'retry_later'
  /** Every record of this run is errored with the reason; other hooks go on. */
  | 'give_up'
  /** No batch of the ingestion can do better: all of it ends with the reason. */
  | 'stop_ingestion'
  /** We are stopping, or somebody has the batch now: give it back at once, counted as no failure. */
  | 'let_go';

/** The end of a start: how the code ended, or why it did not start. */
export type Fact =
  | Ending
  | 'exited_nonzero'
  | 'not_started_unavailable'
  /** No store or registry has the code. */
  | 'digest_not_found'
  | 'pull_denied'
  /** The code can never start: no command, a broken image. */
  | 'not_started_never';

export const policy = {
  exited: 'done',
  exited_nonzero: 'divide',
  timeout: 'retry_later',
  out_of_memory: 'more_memory',
  output_too_large: 'give_up',
  cancelled: 'let_go',
  not_started_unavailable: 'retry_later',
  digest_not_found: 'stop_ingestion',
  pull_denied: 'stop_ingestion',
  not_started_never: 'stop_ingestion',
} as const satisfies Record<Fact, Action>;

/** How often we may fail with a batch for a reason of our own that we cannot explain. */
export const maxFailures = 5;

/**
 * How often a run may end in a way that is tried again later. A timeout may be the hook's own doing. An engine, a
 * registry or a disk is not, and comes back when somebody has repaired it: with `backoffMs` this is a day.
 */
export const mostTries: Readonly<Partial<Record<Fact, number>>> = {
  timeout: 5,
  not_started_unavailable: 300,
};

/** How often within one claim a run may start again with more memory. */
const maxMemoryRetries = 3;

/** Twice as much, but not more than the machine gives; undefined when that is not more, or was done too often. */
export function moreMemory(
  memoryBytes: number,
  { retries, mostBytes }: { readonly retries: number; readonly mostBytes: number },
): number | undefined {
  const next = Math.min(memoryBytes * 2, mostBytes);
  return retries < maxMemoryRetries && next > memoryBytes ? next : undefined;
}

/**
 * Bounds of the search for the records that end or hold up a hook's code, for one run within one claim. One such record
 * among n costs 1 + 2 log2(n) starts: 21 of 1,000.
 */
export const division = {
  /** Starts, after which the records that are still open are errored. */
  mostStarts: 40,
  /**
   * Starts beyond those that lead to a single record, before one has ended well. A hook that never does is given up:
   * the fault is not in a record.
   */
  spareStarts: 3,
  /** No part is started later than this many time limits of the release after the first start, or `leastMs`. */
  mostTimeLimits: 4,
  leastMs: 300_000,
} as const;

/** Why the search ends, or undefined when another part may be started. */
export function endOfDivision(search: {
  /** Records of the claim. */
  readonly records: number;
  readonly starts: number;
  /** Whether any part has ended well. */
  readonly hasAnswers: boolean;
  readonly elapsedMs: number;
  readonly timeLimitMs: number;
}): string | undefined {
  const { records, starts, hasAnswers, elapsedMs, timeLimitMs } = search;
  const toOneRecord = 1 + Math.ceil(Math.log2(records));
  if (starts >= division.mostStarts) return `gave up after ${starts} starts`;
  if (!hasAnswers && starts >= toOneRecord + division.spareStarts) {
    return `gave up after ${starts} starts, none of which ended well`;
  }
  const mostMs = Math.max(division.leastMs, division.mostTimeLimits * timeLimitMs);
  return elapsedMs > mostMs ? `gave up after ${Math.round(elapsedMs / 1_000)} s` : undefined;
}

/** Milliseconds until a batch of a hook without a live release is looked at again. */
export const parkedMs = 30_000;

/** Milliseconds until a batch may be claimed again after the n-th failure of one kind, from 1: 2 s, 4 s, 8 s … at most 5 min. */
export function backoffMs(failure: number): number {
  return Math.min(300_000, 2_000 * 2 ** Math.min(failure - 1, 16));
}
