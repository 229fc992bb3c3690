import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import type { ClaimedBatch, Page, StoredHook } from '../hook/registry.ts';

/** Recomputes as they are stored: what is selected, and the batches that are cut from it. */
export interface RecomputeWrites {
  /** The releases other than `live` that have current records of the hook. */
  staleReleases(hook: string, live: number): Promise<number[]>;
  /** Where the named records are; those that are not published are left out. */
  locate(srns: readonly string[]): Promise<readonly ListedRecord[]>;
  /** Whether the hook runs over the convention, or has. */
  isHookOf(hook: string, convention: string): Promise<boolean>;
  count(hook: string, selection: Selection): Promise<Counted>;
  /** Stores a recompute of a locked hook, so that every run of the selected releases is either finished or known. */
  create(hook: StoredHook, request: NewRecompute): Promise<Recompute>;
  view(id: string): Promise<Recompute>;
  hookOf(id: string): Promise<string | undefined>;
  /** Pauses a recompute, or ends its pause where there is no `pause`; false when it was so before. */
  setPause(id: string, pause: { readonly reason: string | null } | null): Promise<boolean>;
  /** Ends what is not done; false when nothing was. */
  cancel(id: string, reason: string): Promise<boolean>;
  /** Puts the errored records into new batches. */
  retry(id: string): Promise<Answer<'retryRecompute'>>;
}

export interface RecomputeReads {
  stale(page: Page): Promise<Answer<'listStale'>>;
  staleOf(hook: string): Promise<Answer<'showStale'> | undefined>;
  list(page: Page & { readonly hook?: string | undefined }): Promise<Answer<'listRecomputes'>>;
  show(id: string): Promise<Recompute | undefined>;
  records(
    id: string,
    page: Page & { readonly status?: RecomputeFilter | undefined },
  ): Promise<Answer<'listRecomputeRecords'> | undefined>;
}

export type Recompute = Answer<'showRecompute'>;

export type RecomputeFilter = 'failed' | Answer<'listRecomputeRecords'>['items'][number]['status'];

export interface ListedRecord {
  readonly srn: string;
  readonly convention: string;
  readonly sourceId: string;
}

export interface Selection {
  readonly releases: readonly number[];
  readonly convention: string | null;
  readonly list: readonly ListedRecord[] | null;
  /** Whether records are among them that the hook has never seen. */
  readonly withMissing: boolean;
  /** The recall that selects it. */
  readonly recall: string | null;
}

export interface NewRecompute extends Selection {
  readonly reason: string | null;
  /** The move of the pointer that it heals. */
  readonly healed: Recompute['healed'];
  /** The batches that keep a release of the hook now that it is locked; those of selected releases are walked at their end. */
  readonly claimed: readonly ClaimedBatch[];
}

export interface Counted {
  readonly records: number;
  readonly rows: number;
  readonly missing: number;
  /** Depositions in review that are validated again. */
  readonly inReview: number;
  readonly estimatedSeconds: number | null;
}

/** The event of a new recompute, for the outbox. */
export function eventOf(recompute: Recompute) {
  const { id, hook_name: hook, releases, healed, expected_records, reason, recall_id } = recompute;
  return {
    recompute: id,
    hook,
    releases,
    healed_seq: healed?.seq ?? null,
    records: expected_records,
    reason,
    ...(recall_id !== null && { recall: recall_id }),
  };
}

export function unknownRecompute(id: string): OsaError {
  const next = '`osa recomputes list` shows those that there are';
  return new OsaError('not_found', `no recompute has the id ${id}; ${next}`, { field: 'id' });
}
