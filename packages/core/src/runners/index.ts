import type { Runner } from '../run/runner.ts';
import type { BlobStore } from '../storage/index.ts';
import { processRunner } from './process.ts';

/** What a runner may be made of. */
export interface RunnerParts {
  /** Where packed hook directories are kept. */
  readonly blobs: BlobStore;
  /** The daemon's environment. A runner passes nothing of it on that it does not name. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Every runner by the name that the configuration uses. A runner is one file and one line here. */
export const runners = {
  process: processRunner,
} as const satisfies Record<string, (parts: RunnerParts) => Runner>;
