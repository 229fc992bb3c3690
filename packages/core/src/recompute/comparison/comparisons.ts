import type { Answer, ParsedBody } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { Page } from '../../hook/registry.ts';
import type { ReleaseContent, Runtime } from '../../hook/release.ts';
import type { RowChunk, Verdict } from '../../run/output/judgement.ts';
import type { ClaimedRecord, Lease } from '../../run/queue.ts';

export type Comparison = Answer<'showComparison'>;
/** The report as it is stored; a reader may see a part of it. */
export type ComparisonReport = Omit<NonNullable<Comparison['report']>, 'shows_values'>;
export type Tolerances = Comparison['tolerances'];

/** How often a comparison may be begun, before it is given up. */
export const mostBeginnings = 10;

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

/** How a deploy compares the releases that it holds. */
export type DeployComparison = NonNullable<ParsedBody<'deploy'>['compare']>;

/** A release that a deploy holds until it is compared. */
export type Hold = Answer<'activateDeploy'>['holds'][number];

export interface NewHold {
  readonly deploy: string;
  readonly hook: string;
  readonly version: number;
  /** The last change of the pointer. */
  readonly liveSeq: number;
  readonly comparison: string;
  /** In percent of the records. */
  readonly maxChanged: number;
}

export interface ComparisonWrites {
  create(comparison: NewComparison): Promise<Comparison>;
  view(id: string): Promise<Comparison | undefined>;
  /** Ends it with `problem`; false where it has ended. @throws OsaError `busy` */
  cancel(id: string, problem: string): Promise<boolean>;
  hold(hold: NewHold): Promise<void>;
  /** The releases that a deploy holds, by the names of the hooks; undefined without such a deploy. */
  holds(deploy: string): Promise<{ readonly slug: string; readonly holds: readonly Hold[] } | undefined>;
  /** Says by which change a release that is held became live. The database refuses one that is not within its limit. */
  activated(activation: {
    readonly deploy: string;
    readonly hook: string;
    readonly seq: number;
  }): Promise<void>;
}

export interface ComparisonReads {
  show(id: string): Promise<Comparison | undefined>;
  list(hook: string, page: Page): Promise<Answer<'listComparisons'>>;
}

/** A comparison that a worker holds, by a lease with a growing fence, as it holds a batch; `batch` is its id. */
export interface HeldComparison extends Lease {
  readonly hook: string;
  readonly version: number;
  readonly release: ReleaseContent;
  readonly feature: FeatureContract;
  readonly tolerances: Tolerances;
  readonly keys: readonly string[];
}

/** A published record, with what the hook has made of it. */
export interface ComparedRecord extends ClaimedRecord {
  readonly srn: string;
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
  renew(lease: Lease, leaseMs: number): Promise<boolean>;
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
