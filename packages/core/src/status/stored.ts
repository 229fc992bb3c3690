import type { Answer } from '../api/index.ts';

type Status = Answer<'status'>;

/** What the database knows. */
export type StoredStatus = Pick<
  Status,
  'now' | 'database' | 'workers' | 'queue' | 'failing' | 'stale' | 'paused' | 'recalls'
> & {
  /** When the newest of the running batches could be claimed; null when none runs. */
  readonly newest_running_at: string | null;
};
