import type { Answer } from '../api/index.ts';

type Status = Answer<'status'>;

/** What the database knows. */
export type StoredStatus = Pick<
  Status,
  'now' | 'database' | 'workers' | 'queue' | 'failing' | 'stale' | 'paused' | 'recalls'
> & {
  /** The conventions of which a batch ended in the last 30 seconds. */
  readonly moving: readonly string[];
  /** When the newest of the batches that run, or ended in the last 30 seconds, could be claimed; null when there is none. */
  readonly newest_running_at: string | null;
};
