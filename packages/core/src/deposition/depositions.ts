import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { OsaError } from '../error.ts';
import type { RecordFile, StoredFile } from '../file/file.ts';

export type Deposition = Answer<'showDeposition'>;

/** The facts that decide about an action. Metadata is canonical JSON. */
export interface StoredDeposition {
  readonly id: string;
  readonly convention: string;
  readonly owner: Pick<Principal, 'issuer' | 'subject'>;
  readonly status: Deposition['status'];
  readonly revision: number;
  readonly metadata: string;
  readonly files: readonly RecordFile[];
  /** The newest ingestion that was made of it, and whether its owner may approve it. */
  readonly submission: string | null;
  readonly approveOwn: boolean;
}

/** Someone who may see depositions: their owner, and reviewers from their review on. */
export interface DepositionReader {
  readonly owner: Pick<Principal, 'issuer' | 'subject'>;
  readonly review: ReviewScope;
}

/** The conventions that somebody may review: all of them, or those with one of the names and prefixes. */
export type ReviewScope = 'all' | { readonly names: readonly string[]; readonly prefixes: readonly string[] };

/** The depositions, within one transaction of one actor. */
export interface DepositionWrites {
  /** Those of the digests that are stored, and that the actor has sent, or may read in a published record. */
  knownFiles(digests: readonly string[]): Promise<ReadonlyMap<string, StoredFile>>;
  /** Waits for other transactions of the actor that create or submit, so that their counts hold until this one ends. */
  takeTurn(): Promise<void>;
  /** Counts the actor's depositions in validation, up to `most` of them. */
  countOpen(most: number): Promise<number>;
  /** The seconds until the actor has submitted less than `most` within a day; 0 where that is so. */
  waitSeconds(most: number): Promise<number>;
  /** Drafts of the actor, as far as `most` of them. */
  countDrafts(most: number): Promise<number>;
  create(draft: { id: string; convention: string; metadata: string }): Promise<void>;
  /** The deposition as it is, without a wait: what decides whether somebody may wait for it. */
  find(id: string): Promise<StoredDeposition | undefined>;
  /** The deposition, which no other edit or submission changes until this transaction ends. */
  lockDraft(id: string): Promise<StoredDeposition | undefined>;
  /**
   * The deposition, whose batch is locked, so that it is neither claimed nor ended until this transaction ends.
   *
   * @throws OsaError `busy`
   */
  lockSubmitted(id: string): Promise<StoredDeposition | undefined>;
  setMetadata(id: string, metadata: string): Promise<void>;
  setFiles(id: string, files: readonly RecordFile[]): Promise<void>;
  /** Ends what is not done of its submission. */
  withdraw(submission: string): Promise<void>;
  /** Ends it as well, on behalf of its owner, who reads the reason and who gave it. */
  end(deposition: { readonly id: string; readonly submission: string }, reason: string): Promise<void>;
  /** The seconds until the actor has deleted less than `most` drafts within a day; 0 where that is so. */
  waitToDelete(most: number): Promise<number>;
  /** Removes the content of a draft; the row stays, with the actor and the time. */
  delete(id: string): Promise<void>;
  /** Decides about the batch in review and ends it: what is approved is published by the same transaction. */
  review(
    deposition: StoredDeposition,
    decision: { readonly approved: boolean; readonly reason: string | null },
  ): Promise<void>;
  view(id: string): Promise<Deposition>;
}

export interface DepositionReads {
  show(id: string): Promise<Deposition | undefined>;
  list(
    whose: { readonly owner: Pick<Principal, 'issuer' | 'subject'> } | { readonly review: ReviewScope },
    query: ParsedQuery<'listDepositions'>,
  ): Promise<Answer<'listDepositions'>>;
}

/** The same answer for one that is not there and one that is somebody else's. */
export function unknownDeposition(id: string): OsaError {
  const next = '`osa depositions list` shows yours';
  return new OsaError('not_found', `you have no deposition with the id ${id}; ${next}`, { field: 'id' });
}

export function unknownFile(id: string, name: string): OsaError {
  return new OsaError('not_found', `deposition ${id} has no file ${JSON.stringify(name)}`, { field: 'name' });
}

/** The source of a deposition's record: a name that no upload may use. */
export function sourceOfDeposition(id: string): string {
  return `deposition-${id}`;
}

/** Whether a source is kept for depositions. */
export function isDepositionSource(sourceId: string): boolean {
  return /^deposition-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(sourceId);
}
