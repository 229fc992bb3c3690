import { bounds } from '@osa/core/limits';
import { integer, text } from '../terminal/parse.ts';

/** The options of every command that lists. */
export const pagingOptions = {
  limit: {
    value: 'N',
    description: `how many at most, 1 to ${bounds.pageRows} (default: ${bounds.defaultPageRows})`,
    parse: integer(1, bounds.pageRows),
  },
  cursor: { value: 'CURSOR', description: 'go on where the page before ended', parse: text(1_000) },
} as const;
