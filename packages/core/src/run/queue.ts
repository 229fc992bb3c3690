import type { RecordFile } from '../file/file.ts';
import type { FeatureContract } from '../hook/hook.ts';
import type { ReleaseContent, Runtime } from '../hook/release.ts';
import type { OutputReader } from './output/judgement.ts';
import type { Ending } from './runner.ts';

/**
 * The queue of batches. A worker holds a batch by a lease with a growing fence. Every write of a worker names its
 * fence, and the database, by its own clock, refuses one that no longer holds.
 */
export interface BatchQueue {
  /**
   * Takes one batch: lease, fence and snapshot (which release of each hook runs) in one transaction, before any
   * code starts. A batch that has its snapshot keeps it. Undefined when nothing can be claimed at the moment.
   */
  claim(worker: Claimant): Promise<Claim | undefined>;
  /** Extends the lease; false when it is lost. */
  renew(lease: Lease, leaseMs: number): Promise<boolean>;
  /** Stores that the code of a run is about to start. @throws OsaError `lease_lost` */
  startAttempt(
    lease: Lease,
    attempt: { run: string; memoryBytes: number; runner: string },
  ): Promise<{ n: number; startedAt: string }>;
  /** Keeps the end of the log of an attempt that is going; of one that has ended nothing is kept. */
  keepLog(
    attempt: { run: string; n: number },
    log: { readonly tail: Uint8Array; readonly bytes: number },
  ): Promise<void>;
  endAttempt(attempt: { run: string; n: number }, end: AttemptEnd): Promise<void>;
  /**
   * The final transaction: outcomes, rows, run ends, published records, events, all or nothing. A deposition that passed and
   * whose convention wants a review is held instead, with its answers.
   * @throws OsaError `lease_lost` when the fence does not hold any more; nothing is written then.
   */
  finish(claim: Claim, results: readonly RunResult[]): Promise<void>;
  /** Gives the batch back to be claimed later. `failed` counts against the bound of tries. */
  postpone(lease: Lease, later: { reason: string | null; delayMs: number; failed: boolean }): Promise<void>;
  /** Ends the ingestion or recompute of the batch: all of its unfinished batches fail with the reason. */
  stopIngestion(claim: Claim, reason: string): Promise<void>;
  /** Gives back at once what a dead worker of this name held; the answer counts the batches. */
  giveBack(workerName: string): Promise<number>;
  /**
   * Calls `wake` when there may be something to claim, with the id of a batch when that one was ended by somebody else;
   * the answer stops it.
   */
  watch(wake: (ended: string | undefined) => void): Promise<() => Promise<void>>;
}

export interface Claimant {
  readonly name: string;
  readonly leaseMs: number;
  /** Runtimes that the worker can start. A batch whose releases need another one is left for a worker that has it. */
  readonly runtimes: readonly Runtime[];
  /** Hooks that run over as many batches here as they may. */
  readonly fullHooks: readonly string[];
  /** Called with each batch whose claim fails. It goes behind the others, and the claim takes another batch. */
  readonly claimFailed?: (failure: ClaimFailure) => void;
  /** Called with each recompute that cannot be cut into batches or ended. It holds up nothing else. */
  readonly advanceFailed?: (failure: { readonly recompute: string; readonly error: unknown }) => void;
}

export interface ClaimFailure {
  readonly batch: string;
  readonly convention: string;
  /** The batch's ingestion; null for one of a recompute. */
  readonly ingestion: string | null;
  readonly recompute: string | null;
  /** Claims of this batch that failed one after the other, this one included. */
  readonly failures: number;
  readonly error: unknown;
}

export interface Lease {
  readonly batch: string;
  readonly fence: string;
}

export interface Claim extends Lease {
  /** The batch's ingestion; null for a recompute of published records. */
  readonly ingestion: string | null;
  readonly recompute: string | null;
  readonly convention: string;
  /** The deposition that it submits; null for an upload or a recompute. */
  readonly deposition: { readonly id: string; readonly curation: 'auto' | 'manual' } | null;
  /** The schema of the records that an ingestion publishes. */
  readonly schema: { readonly id: string; readonly version: string };
  /** How often the batch was postponed for a failure that was none of a hook's attempts. */
  readonly failures: number;
  /** The records to run, in source order. Those that are invalid, unchanged or overtaken are not among them. */
  readonly records: readonly ClaimedRecord[];
  readonly runs: readonly ClaimedRun[];
}

export interface ClaimedRecord {
  /** The id of the batch record; in a recompute, of the one that was published. */
  readonly id: string;
  readonly sourceId: string;
  /** JSON text. */
  readonly metadata: string;
  /** By name; left out where there are none. */
  readonly files?: readonly RecordFile[];
}

export interface ClaimedRun {
  readonly id: string;
  readonly hook: string;
  readonly version: number;
  readonly feature: FeatureContract;
  readonly release: ReleaseContent;
  /** Its attempts of earlier claims that ran out of time. */
  readonly timeouts: number;
  /** Those that could not start, or ran something else than the release. */
  readonly notStarted: number;
}

/** How an attempt ended; `detail` says why where the code was never started, and what else is worth to know. */
export interface AttemptEnd {
  readonly ending: Ending | 'not_started';
  readonly resolvedDigest: string | null;
  readonly platformDigest: string | null;
  readonly exitCode: number | null;
  readonly exitSignal: string | null;
  readonly detail: string | null;
  readonly log: Uint8Array | null;
  /** The length of the whole output; the log keeps the start and the end. */
  readonly logBytes: number | null;
}

/** The result of one run over the batch. */
export interface RunResult {
  readonly run: ClaimedRun;
  /** `passed`: it answered. `failed`: it broke its contract as a whole. `error`: the infrastructure gave up. */
  readonly status: 'passed' | 'failed' | 'error';
  /** Why it did not pass; of one that passed, what it wrote about no record. */
  readonly reason: string | null;
  /** The attempt that computed it; null when no code was started. */
  readonly attempt: number | null;
  /** By source, the attempt that answered for it, where that may be another one. */
  readonly answeredBy: ReadonlyMap<string, number>;
  readonly startedAt: string | null;
  readonly inputDigest: string;
  /** The checked output; null where there is none. A record without a verdict in it is errored with `reason`. */
  readonly output: OutputReader | null;
}
