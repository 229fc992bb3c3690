import type { Answer } from '../api/index.ts';

type Status = Answer<'status'>;

/** The facts that the database knows. */
export type StoredStatus = Pick<
  Status,
  'now' | 'database' | 'workers' | 'queue' | 'failing' | 'stale' | 'paused' | 'recalls'
> & {
  /** Live releases whose newest attempts in a run that goes on have failed, with how the last one ended. */
  readonly struggling: readonly {
    readonly hook: string;
    readonly version: number;
    readonly run: string;
    readonly ending: string;
  }[];
  /** Current records and rows of a release that is not live, which the newest heal of a hook has left. */
  readonly unhealed: readonly {
    readonly hook: string;
    readonly recompute: string;
    readonly version: number;
    readonly records: number;
    readonly rows: number;
  }[];
  /** The conventions of which a batch ended in the last 30 seconds. */
  readonly moving: readonly string[];
  /** When the newest of the batches that run, or ended in the last 30 seconds, could be claimed; null when there is none. */
  readonly newest_running_at: string | null;
};
