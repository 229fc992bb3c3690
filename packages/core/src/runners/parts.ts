import type { BlobStore } from '../storage/index.ts';

/** The parts of a runner. */
export interface RunnerParts {
  /** The value of OSA_RUNNER that chose it. */
  readonly setting: string;
  /** Where packed hook directories are kept. */
  readonly blobs: BlobStore;
  /** The daemon's environment. A runner passes nothing of it on that it does not name. */
  readonly environment: NodeJS.ProcessEnv;
  /** Options of a container engine itself, which stand before its command, such as `--runtime`. */
  readonly engineOptions: readonly string[];
  /** Where images may come from; anywhere if there is none. */
  readonly registries?: readonly string[];
  /** The OCI runtime that is taken on the operator's word, however old: its package, or name and version. */
  readonly acceptedRuntime?: string | undefined;
  /** Whether a runtime that is too old for the code of others is refused, and not only warned of. */
  readonly requiresSafeRuntime: boolean;
  /** The longest time for a pull; it comes before the batch's own time. */
  readonly pullTimeoutMs: number;
  /** Called after each pull of an image: whether it came, and the seconds that it took. */
  readonly onPull?: (ok: boolean, seconds: number) => void;
  /** Reports what a person should know, such as a bound that this machine cannot keep. */
  readonly warn: Warn;
}

export type Warn = (message: string, details: Readonly<Record<string, unknown>>) => void;
