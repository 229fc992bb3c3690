import type { Answer } from '../api/index.ts';

export type Event = Answer<'readEvents'>['items'][number];

export interface EventPage {
  readonly after: number;
  readonly limit: number;
  readonly type?: string | undefined;
}

/** The outbox in its one order. */
export interface EventReads {
  /** Gives every committed event its place; the last place. */
  last(): Promise<number>;
  /** Reads events that have a place. A page with a type may be empty and have more after it. */
  read(page: EventPage): Promise<Answer<'readEvents'>>;
}
