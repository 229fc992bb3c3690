import type { Runner } from '../run/runner.ts';
import type { BlobStore } from '../storage/index.ts';
import { containerRunner } from './container.ts';
import type { OnLeft } from './container-removal.ts';
import type { EngineName } from './engine.ts';
import { processRunner } from './process.ts';

/** What a runner may be made of. */
export interface RunnerParts {
  /** Where packed hook directories are kept. */
  readonly blobs: BlobStore;
  /** The daemon's environment. A runner passes nothing of it on that it does not name. */
  readonly environment: NodeJS.ProcessEnv;
  readonly engine: {
    readonly name: EngineName;
    /** Options of the engine itself, which stand before its command, such as `--runtime`. */
    readonly options: readonly string[];
  };
  /** What a pull may take; it comes before the batch's own time. */
  readonly pullTimeoutMs: number;
  readonly onLeft: OnLeft;
}

/** Every runner by the name that the configuration uses. A runner is one file and one line here. */
export const runners = {
  process: processRunner,
  container: containerRunner,
} as const satisfies Record<string, (parts: RunnerParts) => Runner>;
