import type { Principal } from './auth/principal.ts';
import type { Minting, MintOutcome, RegistryReads, RegistryState, RegistryWrites } from './hook/registry.ts';
import type { IngestionReads, IngestionWrites } from './ingestion/ingestions.ts';
import type { DatasetReads } from './record/dataset.ts';
import type { Tracer } from './trace/trace.ts';

/** What the use cases need of a database. */
export interface Store {
  /**
   * One transaction on behalf of somebody, all or nothing. With an idempotency key the answer is stored in the
   * same transaction for 24 hours, and the same request gets the stored answer instead of doing it again.
   *
   * @throws OsaError `idempotency_mismatch` when the key came with another request, `in_progress` while the
   * first request is under way, `unavailable` when the database cannot answer.
   */
  write<T extends object>(writer: Writer, work: (transaction: WriteTransaction) => Promise<T>): Promise<T>;
  /** `RegistryWrites.mint` as a transaction of its own, which is one statement: other clients wait for it alone. */
  mint(principal: Principal, minting: Minting): Promise<MintOutcome>;
  /** One read-only look at the registry: all of it at the same moment, nothing locked. */
  read<T>(work: (registry: RegistryState) => Promise<T>): Promise<T>;
  readonly registry: RegistryReads;
  readonly ingestions: IngestionReads;
  readonly dataset: DatasetReads;
  readonly tracer: Tracer;
}

export interface Writer {
  readonly principal: Principal;
  readonly idempotency?: { readonly key: string; readonly requestDigest: string } | undefined;
}

export interface WriteTransaction {
  readonly registry: RegistryWrites;
  readonly ingestions: IngestionWrites;
  /** Appends to the outbox. */
  event(type: string, payload: Readonly<Record<string, unknown>>): Promise<void>;
}
