import type { Answer } from '../api/index.ts';

/** Where rows come from. Each answer is one statement, so that what it says holds together. */
export interface Tracer {
  row(hook: string, id: number): Promise<Answer<'traceRow'> | undefined>;
  record(srn: string): Promise<Answer<'traceRecord'> | undefined>;
}
