import type { Answer, ParsedQuery } from '../api/index.ts';

/** Runs as they are stored. Each answer is one statement; undefined is "not found". */
export interface RunReads {
  list(query: ParsedQuery<'listRuns'>): Promise<Answer<'listRuns'>>;
  show(id: string): Promise<Answer<'showRun'> | undefined>;
  /** The log of an attempt, of the last one without a number; null when it has said nothing, or nothing is kept. */
  log(id: string, attempt: number | undefined): Promise<RunLog | undefined>;
  tail(id: string, place: { readonly attempt: number; readonly after: number }): Promise<RunTail | undefined>;
}

export interface RunLog {
  readonly hook: string;
  /** Null where the code was not started. */
  readonly log: Uint8Array | null;
  /** When the log was removed because of its age. */
  readonly prunedAt: string | null;
}

export interface RunTail extends Answer<'followRun'> {
  readonly hook: string;
}
