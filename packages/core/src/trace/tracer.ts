import type { Answer } from '../api/index.ts';

/** Where rows come from. What can change is read in one statement, so that an answer holds together. */
export interface Tracer {
  row(hook: string, id: number): Promise<Answer<'traceRow'> | undefined>;
  record(srn: string): Promise<Answer<'traceRecord'> | undefined>;
}
