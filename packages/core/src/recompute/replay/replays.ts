import type { Answer, ParsedQuery } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { Page } from '../../hook/registry.ts';
import type { ReleaseContent, Runtime } from '../../hook/release.ts';
import type { RowChunk } from '../../run/output/judgement.ts';
import type { ClaimedRecord, Lease } from '../../run/queue.ts';

export type Replay = Answer<'showReplay'>;
export type Certificate = Answer<'listCertificates'>['items'][number];
export type ReplayVerdict = Certificate['verdict'];

/** A row by its name. */
export interface NamedRow {
  readonly hook: string;
  readonly id: number;
}

/** The results to be replayed of one run. */
export interface NewPart {
  readonly run: string;
  readonly hook: string;
  readonly whole: boolean;
  /** The ids of its outcomes. */
  readonly outcomes: readonly string[];
}

export interface NewReplay {
  readonly kind: Replay['kind'];
  readonly hook: string | null;
  readonly version: number | null;
  readonly sample: number | null;
  readonly seed: string | null;
  readonly reason: string | null;
  readonly parts: readonly NewPart[];
}

/** A run with what a replay needs to know of it. */
export interface ReplayedRun {
  readonly hook: string;
  readonly isOver: boolean;
  readonly hasOutput: boolean;
  /** Its published outcomes. */
  readonly outcomes: readonly string[];
}

/** Which published results a sample is drawn from. */
export interface Population {
  readonly hook: string | null;
  readonly version: number | null;
}

export interface ReplayWrites {
  /** The outcome of each published row, and its run; rows that are not there are left out. */
  locate(hook: string, ids: readonly number[]): Promise<readonly LocatedRow[]>;
  run(id: string): Promise<ReplayedRun | undefined>;
  /** How many results there are to draw from, by the counts that runs keep. Those of paused hooks are left out. */
  count(population: Population): Promise<number>;
  /** The results at these places, from 0 on, in the order of runs. */
  draw(population: Population, places: readonly number[]): Promise<readonly DrawnResult[]>;
  /** The hooks among these that are paused, each with the reason. */
  paused(
    hooks: readonly string[],
  ): Promise<readonly { readonly hook: string; readonly reason: string | null }[]>;
  /** Parts that wait or run, of all replays; counted up to `most`. */
  countOpen(most: number): Promise<number>;
  create(replay: NewReplay): Promise<Replay>;
  view(id: string): Promise<Replay | undefined>;
  /** Ends what has not ended; false when all had. @throws OsaError `busy` */
  cancel(id: string, reason: string): Promise<boolean>;
}

export interface DrawnResult {
  readonly run: string;
  readonly hook: string;
  readonly outcome: string;
}

export interface LocatedRow extends DrawnResult {
  readonly id: number;
}

export interface ReplayReads {
  show(id: string): Promise<Replay | undefined>;
  list(page: Page): Promise<Answer<'listReplays'>>;
  certificates(
    id: string,
    query: ParsedQuery<'listCertificates'>,
  ): Promise<Answer<'listCertificates'> | undefined>;
  /** Undefined for a row that is not there or not published. */
  ofRow(row: NamedRow, page: Page): Promise<Answer<'listRowCertificates'> | undefined>;
}

/** A part that a worker holds, as it holds a batch. */
export interface HeldPart extends Lease {
  readonly run: string;
  readonly whole: boolean;
  readonly hook: string;
  readonly version: number;
  readonly release: ReleaseContent;
  readonly feature: FeatureContract;
  readonly failures: number;
  readonly lost: number;
  /** The input digest of its run, hex. */
  readonly inputDigest: string | null;
  readonly outputDigest: string | null;
}

/** The stored state of one record that goes into a replay. */
export interface ReplayedRecord extends ClaimedRecord {
  /** Undefined for one that is only there because its run had it. */
  readonly result?: StoredResult;
}

export interface StoredResult {
  /** The id of the outcome. */
  readonly outcome: string;
  readonly status: 'passed' | 'rejected';
  readonly reason: string | null;
  readonly rowCount: number;
}

/** A stored row: each value as JSON text, in the contract's order; null for none. */
export interface StoredRow {
  readonly id: string;
  readonly outcome: string;
  readonly ordinal: number;
  readonly cells: Cells;
}

export type Cells = readonly (string | null)[];

/** Some rows of an outcome, by their ordinals. */
export interface RowRange {
  readonly outcome: string;
  readonly first: number;
  readonly last: number;
}

/** The verdict on one result, or on the output of a whole run. */
export interface NewCertificate {
  readonly outcome: string | null;
  readonly verdict: ReplayVerdict;
  readonly reason: string | null;
  readonly engine: string | null;
  readonly architecture: string | null;
  readonly resolvedDigest: string | null;
  readonly platformDigest: string | null;
  /** Hex. */
  readonly storedDigest: string | null;
  readonly madeDigest: string | null;
  /** The ordinals of the rows that differ; null where all do. */
  readonly differing: readonly number[] | null;
  readonly columns: readonly string[];
  readonly examples: Certificate['examples'];
}

export interface ReplayQueue {
  /**
   * Takes one part. One that no running worker has a runner for is given to any worker, which then says so. A pause of
   * the hook is a barrier, as for batches.
   */
  claim(worker: {
    readonly name: string;
    readonly leaseMs: number;
    readonly runtimes: readonly Runtime[];
  }): Promise<HeldPart | undefined>;
  renew(lease: Lease, leaseMs: number): Promise<boolean>;
  /** The records to run, in source order: those of the part, or all of a whole run. */
  records(held: HeldPart): Promise<readonly ReplayedRecord[]>;
  storedRows(held: HeldPart, ranges: readonly RowRange[]): Promise<readonly StoredRow[]>;
  /** Made rows as they would be read back if they were stored. Nothing is stored. */
  madeRows(held: HeldPart, chunk: RowChunk): Promise<readonly Cells[]>;
  /** Writes the certificates and ends the part. @throws OsaError `lease_lost`; nothing is written then */
  finish(lease: Lease, certificates: readonly NewCertificate[]): Promise<void>;
  /** Ends the part without certificates. @throws OsaError `lease_lost`; nothing is written then */
  giveUp(lease: Lease, reason: string): Promise<void>;
  /** Gives the part back. `reason` says why it could not be run; without one it was not its fault. */
  postpone(lease: Lease, later: { readonly reason: string | null; readonly delayMs: number }): Promise<void>;
}

export function unknownReplay(id: string): OsaError {
  return new OsaError('not_found', `no replay has the id ${id}; osa replays list shows them`, {
    field: 'id',
  });
}
