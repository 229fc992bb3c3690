import type { Answer, ParsedQuery } from './api/index.ts';
import type { People } from './auth/person/people.ts';
import type { Principal } from './auth/principal.ts';
import type { PublisherReads, PublisherWrites } from './auth/publisher/publishers.ts';
import type { Role } from './auth/role.ts';
import type { DatasetReads } from './data/dataset.ts';
import type { DepositionReader, DepositionReads, DepositionWrites } from './deposition/depositions.ts';
import type { Deliveries } from './events/deliveries.ts';
import type { EventReads } from './events/outbox.ts';
import type { FileReads, FileWrites, UploadUse } from './file/files.ts';
import type { Minting, MintOutcome, RegistryReads, RegistryState, RegistryWrites } from './hook/registry.ts';
import type { IngestionReads, IngestionWrites } from './ingestion/ingestions.ts';
import type { ComparisonReads, ComparisonWrites } from './recompute/comparison/comparisons.ts';
import type { RecomputeReads, RecomputeWrites } from './recompute/recomputes.ts';
import type { ReplayReads, ReplayWrites } from './recompute/replay/replays.ts';
import type { RunReads } from './run/run-reads.ts';
import type { StoredStatus } from './status/stored.ts';
import type { Impacts } from './trace/impacts.ts';
import type { RecallReads, RecallWrites } from './trace/recall/recalls.ts';
import type { Stories, Tracer } from './trace/tracer.ts';

/** The database, as the use cases need it. */
export interface Store {
  /**
   * One transaction on behalf of somebody, all or nothing. With an idempotency key the answer is stored in the
   * same transaction for 24 hours, and the same request gets the stored answer instead of doing it again.
   *
   * @throws OsaError `idempotency_mismatch` when the key came with another request, `in_progress` while the
   * first request is under way, `unavailable` when the database cannot answer.
   */
  write<T extends object>(writer: Writer, work: (transaction: WriteTransaction) => Promise<T>): Promise<T>;
  /**
   * `RegistryWrites.mint` as a transaction of its own, which is one statement: other clients wait for it alone. It stores
   * its answer under the idempotency key, as `write` does.
   *
   * @throws OsaError as `write`
   */
  mint(writer: Writer, minting: Minting): Promise<MintOutcome>;
  /** The answer that is stored under the key of the writer. @throws OsaError as `write` */
  answered<T extends object>(writer: Writer): Promise<T | undefined>;
  /** One read-only look at the registry: all of it at the same moment, nothing locked. */
  read<T>(work: (registry: RegistryState) => Promise<T>): Promise<T>;
  /** Says that somebody means to use bytes, so that they are kept for a while whether anything refers to them or not. */
  useBlobs(digests: readonly string[]): Promise<void>;
  readonly registry: RegistryReads;
  readonly ingestions: IngestionReads;
  readonly depositions: DepositionReads;
  readonly recomputes: RecomputeReads;
  readonly recalls: RecallReads;
  readonly comparisons: ComparisonReads;
  readonly replays: ReplayReads;
  readonly dataset: DatasetReads;
  readonly files: FileReads;
  readonly uploadUse: UploadUse;
  readonly tracer: Tracer;
  readonly stories: Stories;
  readonly events: EventReads;
  readonly deliveries: Deliveries;
  readonly impacts: Impacts;
  readonly runs: RunReads;
  readonly access: Access;
  readonly ids: IdReads;
  readonly publishers: PublisherReads;
  readonly people: People;
  /** Reads acts with their actors, from the trail. */
  audit(query: ParsedQuery<'audit'>): Promise<Answer<'audit'>>;
  /** The name of the archive, by which a plan for another one is noticed. */
  archive(): Promise<string>;
  /** How the archive is: queue, workers, failing releases, pauses. */
  status(): Promise<StoredStatus>;
  /** The workers that have told within a minute that they run. */
  workers(): Promise<Answer<'listWorkers'>>;
}

export type IdKind =
  | 'ingestion'
  | 'recompute'
  | 'comparison'
  | 'recall'
  | 'replay'
  | 'run'
  | 'deploy'
  | 'deposition';

export interface IdRange {
  readonly first: string;
  readonly last: string;
  readonly limit: number;
}

/** Ids by a range of them, which is how a prefix is looked up. */
export interface IdReads {
  between(kind: Exclude<IdKind, 'deposition'>, range: IdRange): Promise<Answer<'findIds'>['items']>;
  /** The depositions that this reader may see. */
  depositions(reader: DepositionReader, range: IdRange): Promise<Answer<'findIds'>['items']>;
}

/** Rights of actors, beside the tokens. */
export interface Access {
  /** The roles of a person, by the uuid of the tokens. */
  rolesOf(user: string): Promise<readonly Role[]>;
  /** Counts that somebody was refused, and tells the first times in the outbox, then each time the number doubles. */
  denied(principal: Principal, request: AskedFor): Promise<void>;
}

/** The request: the route, and the scope that it takes. */
export interface AskedFor {
  /** `POST /api/v1/hooks/:name/rollback` */
  readonly route: string;
  readonly scope: string | null;
  /** By which the log and the answer name the request. */
  readonly request_id: string;
}

export interface Writer {
  readonly principal: Principal;
  /** The request that this is done for; its event names it. */
  readonly request?: AskedFor | undefined;
  readonly idempotency?: { readonly key: string; readonly requestDigest: string } | undefined;
}

export interface WriteTransaction {
  readonly registry: RegistryWrites;
  readonly ingestions: IngestionWrites;
  readonly depositions: DepositionWrites;
  readonly publishers: PublisherWrites;
  readonly files: FileWrites;
  readonly recomputes: RecomputeWrites;
  readonly recalls: RecallWrites;
  readonly comparisons: ComparisonWrites;
  readonly replays: ReplayWrites;
  /** Appends to the outbox. */
  event(type: string, payload: Readonly<Record<string, unknown>>): Promise<void>;
}
