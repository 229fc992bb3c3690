import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import type { FeatureContract } from '../hook/hook.ts';
import type { Page } from '../hook/registry.ts';
import type { ReleaseContent, Runtime } from '../hook/release.ts';
import type { RowChunk, Verdict } from '../run/output/judgement.ts';
import type { ClaimedRecord } from '../run/queue.ts';

export type Comparison = Answer<'showComparison'>;
export type ComparisonReport = NonNullable<Comparison['report']>;
export type Tolerances = Comparison['tolerances'];

export interface NewComparison {
  readonly hook: string;
  readonly version: number;
  readonly against: number | null;
  readonly convention: string | null;
  readonly seed: string;
  readonly sample: number | null;
  readonly srns: readonly string[] | null;
  readonly tolerances: Tolerances;
  readonly keys: readonly string[];
  readonly reason: string | null;
}

export interface ComparisonWrites {
  create(comparison: NewComparison): Promise<Comparison>;
}

export interface ComparisonReads {
  show(id: string): Promise<Comparison | undefined>;
  list(hook: string, page: Page): Promise<Answer<'listComparisons'>>;
}

/** A comparison that a worker holds, by a lease with a growing fence, as it holds a batch. */
export interface HeldComparison {
  readonly id: string;
  readonly fence: string;
  readonly hook: string;
  readonly version: number;
  readonly release: ReleaseContent;
  readonly feature: FeatureContract;
  readonly tolerances: Tolerances;
  readonly keys: readonly string[];
}

/** A published record, with what the hook has made of it. */
export interface ComparedRecord {
  /** The id of its batch record. */
  readonly id: string;
  readonly srn: string;
  readonly sourceId: string;
  /** JSON text. */
  readonly metadata: string;
  readonly files?: ClaimedRecord['files'];
  readonly before: Verdict['status'];
  readonly rows: readonly ComparedRow[];
}

export interface ComparedRow {
  /** Undefined for one that is not stored. */
  readonly name?: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface ComparisonQueue {
  claim(worker: {
    readonly name: string;
    readonly leaseMs: number;
    readonly runtimes: readonly Runtime[];
  }): Promise<HeldComparison | undefined>;
  renew(held: HeldComparison, leaseMs: number): Promise<boolean>;
  /** The ids of the records, by convention. */
  records(held: HeldComparison): Promise<readonly (readonly string[])[]>;
  read(held: HeldComparison, ids: readonly string[]): Promise<readonly ComparedRecord[]>;
  /** Rows as they would be read back after they were stored. Nothing is stored. */
  asStored(feature: FeatureContract, chunk: RowChunk): Promise<readonly Readonly<Record<string, unknown>>[]>;
  finish(
    held: HeldComparison,
    end: { readonly report: ComparisonReport } | { readonly problem: string },
  ): Promise<void>;
  giveBack(held: HeldComparison): Promise<void>;
}

export function unknownComparison(id: string): OsaError {
  return new OsaError('not_found', `no comparison has the id ${id}`, { field: 'id' });
}
