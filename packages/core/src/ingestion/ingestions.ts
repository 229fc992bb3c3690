import type { Answer, ParsedQuery } from '../api/index.ts';
import type { FileRequirements } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import type { RecordFile, StoredFile } from '../file/file.ts';
import type { Page } from '../hook/registry.ts';
import type { FieldDefinition } from '../record/schema.ts';

/** Ingestions as they are stored: one upload each, cut into batches, which are the queue of the workers. */
export interface IngestionWrites {
  /** The facts that an ingestion of a convention pins when it opens; undefined when there is no such convention. */
  pin(convention: string): Promise<Pinned | undefined>;
  /**
   * The ingestion of the same bytes by the same actor within a day, unless it was cancelled, has failed, or a later
   * upload has sent one of its sources. In these cases the upload is new content. Uploads of the same bytes take turns
   * from here on.
   */
  findRepeat(upload: { pinned: Pinned; contentSha256: string }): Promise<string | undefined>;
  /** `deposition` is the one that it submits; undefined for an upload. */
  open(ingestion: {
    pinned: Pinned;
    batchSize: number;
    contentSha256: string;
    deposition?: string;
  }): Promise<{ id: string }>;
  addBatch(
    ingestion: { id: string; pinned: Pinned },
    index: number,
    records: readonly IncomingRecord[],
  ): Promise<void>;
  /** Those of the files that are stored, and that the actor has sent, or may read in a published record. */
  knownFiles(digests: readonly string[]): Promise<ReadonlyMap<string, StoredFile>>;
  /** Two lines of the ingestion with the same source, if there are any. */
  findTwins(id: string): Promise<readonly Twins[]>;
  /**
   * Enters the ingestion into the order of arrival: each of its batches waits for the earlier unfinished batches
   * of the convention that hold one of its sources. Its batches are claimable once the transaction commits.
   */
  seal(id: string, convention: string): Promise<void>;
  view(id: string): Promise<Answer<'showIngestion'>>;
  /** The convention of an ingestion. */
  conventionOf(id: string): Promise<string | undefined>;
  /** Pauses an ingestion, or ends its pause where there is no `pause`; false when it was so before. */
  setPause(id: string, pause: { readonly reason: string | null } | null): Promise<boolean>;
  /** Ends what is not done of an ingestion; the answer counts the batches. */
  cancel(id: string, reason: string): Promise<number>;
  /** Copies what was rejected or errored into new batches, in the order of the upload. */
  retry(id: string): Promise<Retried>;
}

export type Retried = Omit<Answer<'retryIngestion'>, 'id'>;

export interface IngestionReads {
  list(query: ParsedQuery<'listIngestions'>): Promise<Answer<'listIngestions'>>;
  show(id: string): Promise<Answer<'showIngestion'> | undefined>;
  records(
    id: string,
    page: Page & { readonly status?: RecordFilter | undefined },
  ): Promise<Answer<'listIngestionRecords'> | undefined>;
  /** The most frequent reasons among the first `mostFailures` failed records that were not tried again. */
  failures(id: string, limit: number): Promise<Answer<'listIngestionFailures'>>;
}

/** Failed records that are looked at for their reasons. */
export const mostFailures = 100_000;

export type RecordFilter = 'failed' | Answer<'listIngestionRecords'>['items'][number]['status'];

export interface Pinned {
  readonly convention: string;
  readonly schema: { readonly id: string; readonly version: string };
  readonly fields: readonly FieldDefinition[];
  readonly files: FileRequirements;
  /** Whether its text without a rule takes any value. */
  readonly openText: boolean;
}

export interface IncomingRecord {
  readonly sourceId: string;
  /** From 1. */
  readonly line: number;
  /** Canonical JSON. */
  readonly metadata: string;
  readonly contentDigest: string;
  /** By name. */
  readonly files: readonly RecordFile[];
  /** Why the record breaks the schema, or null when it keeps it. */
  readonly problem: string | null;
}

export interface Twins {
  readonly sourceId: string;
  readonly lines: readonly [number, number];
}

export function unknownIngestion(id: string): OsaError {
  const next = '`osa ingestions list` shows those that there are';
  return new OsaError('not_found', `no ingestion has the id ${id}; ${next}`, { field: 'id' });
}
