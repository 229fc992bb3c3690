import type { FeatureRules } from './features.ts';

/**
 * Reading what a hook wrote. Nothing in it is trusted: every line, id, name and value is checked against the
 * contract and the batch, and one bad record never costs another its result.
 */
export interface OutputReader {
  /** Reads and checks everything; the verdicts are final. */
  readonly judgement: Judgement;
  /**
   * The rows of the records that passed, in chunks, in the order of the file and of each record's rows.
   * Each chunk's columns are texts of PostgreSQL array literals of equal length, ready for `unnest`.
   */
  rows(options: { readonly rowsPerChunk: number }): AsyncIterable<RowChunk>;
}

/** The results of one attempt's output for the records of the batch, by record id. Every id of the batch is a key. */
export interface Judgement {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** The ids without one whole answer: absent, answered twice, or in a line that cannot be read. */
  readonly open: readonly string[];
  /**
   * SHA-256, hex, of what `sha256sum features.jsonl rejections.jsonl errors.jsonl` prints for the files that are
   * there; after a failure, for those that were read to their end.
   */
  readonly outputDigest: string;
  readonly rowCount: number;
  /** Lines that belong to no record of the batch (unknown id, unreadable), counted; the first few are described. */
  readonly strayLines: number;
  readonly strayExamples: readonly string[];
  /**
   * Set when the output as a whole breaks the contract (too large, not a regular file, lines but no answer among them):
   * every record is errored.
   */
  readonly failure: string | null;
}

export type Verdict =
  | { readonly status: 'passed'; readonly rowCount: number }
  | { readonly status: 'rejected'; readonly reason: string }
  | { readonly status: 'errored'; readonly reason: string };

export interface RowChunk {
  /** At most `rowsPerChunk`; fewer when the rows are long. */
  readonly rowCount: number;
  /** The record id of each row. */
  readonly recordIds: readonly string[];
  /** The row's place among its record's rows, from 0. */
  readonly ordinals: readonly number[];
  /** One PostgreSQL array literal a column, in the contract's order. */
  readonly columns: readonly string[];
}

export interface OutputLimits {
  readonly outputBytes: number;
  readonly lineBytes: number;
  readonly rowsPerRecord: number;
  readonly rowsPerBatch: number;
}

export interface JudgeTask {
  readonly directory: string;
  readonly rules: FeatureRules;
  readonly limits: OutputLimits;
  readonly recordIds: readonly string[];
}

/** The results of the files for each record, by the record's place in `recordIds`. */
export interface Judged {
  readonly verdicts: readonly Verdict[];
  /** The records without one whole answer. */
  readonly open: readonly number[];
  readonly outputDigest: string;
  readonly rowCount: number;
  readonly strayLines: number;
  readonly strayExamples: readonly string[];
  readonly failure: string | null;
  /** The lines of `features.jsonl` whose rows count, in the order of the file. */
  readonly plan: RowPlan;
}

export interface RowPlan {
  /** SHA-256 of `features.jsonl`, hex; absent when there is no such file. */
  readonly sha256: string | undefined;
  readonly lines: readonly PlannedLine[];
}

export interface PlannedLine {
  readonly line: number;
  readonly record: number;
  readonly rowCount: number;
}
