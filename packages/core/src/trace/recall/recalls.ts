import type { Answer, ParsedQuery } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import type { Chosen, Selection } from '../impacts.ts';

export type Recall = Answer<'showRecall'>;
export type RecallSummary = Answer<'listRecalls'>['items'][number];

/** Recalls as they are stored: append-only, closings too. */
export interface RecallWrites {
  /**
   * Finds what a fact selects. No release is made from then on without seeing what this transaction stores, or being seen
   * here.
   */
  select(selection: Selection, most: number): Promise<Chosen>;
  /** The hooks of what was chosen, those of runs on a platform too. */
  hooksOf(chosen: Chosen): Promise<string[]>;
  open(notice: NewRecall, chosen: Chosen): Promise<Recall>;
  chosen(id: string): Promise<Chosen | undefined>;
  /** False where it is closed already. */
  close(id: string, reason: string): Promise<boolean>;
  view(id: string): Promise<Recall | undefined>;
  /** The part of a recall that a recompute of the hook would compute again. */
  partOf(id: string, hook: string): Promise<RecalledPart | undefined>;
}

export interface RecallReads {
  list(query: ParsedQuery<'listRecalls'>): Promise<Answer<'listRecalls'>>;
  show(id: string): Promise<Recall | undefined>;
  /** The present selection. */
  chosen(id: string): Promise<Chosen | undefined>;
}

export interface NewRecall {
  readonly fact: RecallSummary['fact'];
  readonly asked: string;
  readonly commits: readonly string[];
  readonly reason: string;
  readonly advice: string | null;
}

export interface RecalledPart {
  readonly isClosed: boolean;
  /** Releases of the hook, those with runs on a recalled platform too. */
  readonly releases: readonly number[];
  /** The record, where that is the fact. */
  readonly srn: string | null;
}

export function unknownRecall(id: string, field = 'id'): OsaError {
  return new OsaError(
    'not_found',
    `no recall has the id ${id}; \`osa recall list\` shows those that there are`,
    { field },
  );
}
