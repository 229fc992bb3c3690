import type { RecordFile } from '../file/file.ts';
import type { Config, NormalLimits, Runtime } from '../hook/release.ts';

/**
 * A runner starts the code of one release over one batch, in a place of its own, and reports what happened as
 * facts. It decides nothing: run/policy.ts turns facts into actions, run/output.ts reads what the code wrote.
 */
export interface Runner {
  /** The name that is recorded on the attempt, such as `process`. */
  readonly name: string;
  /** The runtimes it can start. */
  readonly runtimes: readonly Runtime[];
  /**
   * Runs the code once, over `input`, in a fresh directory below `workspace`. Resolves when the code has ended, in any
   * way, and nothing of it is alive. Aborting `signal` kills it and ends as `cancelled`. Before the code has started,
   * it rejects with the signal's reason.
   *
   * @throws OsaError `unavailable` when the code could not be started for a reason that may pass, `not_found`
   * when the digest does not exist, `access_denied` when it may not be pulled, `invalid` when it can never be started
   * (the command is missing).
   */
  run(task: Task, signal: AbortSignal): Promise<Ended>;
  /** Resolves when all that was disposed of is gone. A runner without it removes everything within `dispose`. */
  settle?(): Promise<void>;
  /** Ends the code that a dead daemon left running for `workspace`, which exists; the answer counts what was found. */
  sweep(workspace: string): Promise<number>;
}

/** One start of a hook's code. */
export interface Task {
  /** Unique for the attempt; names its directory. */
  readonly id: string;
  /** The directory below which the attempt's own directory is made. */
  readonly workspace: string;
  readonly hook: string;
  readonly release: {
    readonly runtime: Runtime;
    readonly image: string | null;
    readonly digest: string;
    readonly command: readonly string[] | null;
    readonly config: Config;
    readonly limits: NormalLimits;
  };
  /** Bytes of memory for this attempt; it may exceed the release's own limit after an out-of-memory end. */
  readonly memoryBytes: number;
  /** The records, in order. Written to `records.jsonl`; an id is data, never part of a path. */
  readonly records: readonly InputRecord[];
  /** Gives a file of a record a further name, by its SHA-256. */
  readonly linkFile?: ((sha256: string, path: string) => Promise<void>) | undefined;
  /** Called with each chunk of stdout and stderr. */
  readonly onLog?: ((chunk: Uint8Array) => void) | undefined;
}

export interface InputRecord {
  readonly id: string;
  /** The record's metadata as JSON text, one line. */
  readonly metadata: string;
  /** The id of a record with files is a plain name. */
  readonly files?: readonly RecordFile[];
}

/** How the code ended. Exactly one of these; `exited` with code 0 is the only one whose output counts. */
export type Ending = 'exited' | 'timeout' | 'out_of_memory' | 'output_too_large' | 'cancelled';

export interface Ended {
  readonly ending: Ending;
  readonly exitCode: number | null;
  /** The signal that ended the code, such as `SIGSEGV`. */
  readonly exitSignal: string | null;
  /** More about the reason, where there is something to add. */
  readonly detail?: string | null;
  /** The digest of what really ran, computed or reported at the start of this attempt. */
  readonly resolvedDigest: string;
  /** Where that is the digest of an index of several platforms, the digest of the one that ran. */
  readonly platformDigest?: string | null;
  /** Where the output files stand; the code can no longer write there. */
  readonly outputDirectory: string;
  /** First and last bytes of stdout and stderr, interleaved as they came. */
  readonly log: Uint8Array;
  /** The length of the whole output. */
  readonly logBytes: number;
  /** Removes what the attempt left. Call it when the output has been read and its end is stored. */
  dispose(): Promise<void>;
}
