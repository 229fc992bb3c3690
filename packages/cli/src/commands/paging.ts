import { bounds } from '@osa/core/limits';
import { integer, text } from '../terminal/parse.ts';

/** The options of every command that lists. */
export const pagingOptions = {
  limit: {
    short: 'n',
    value: 'N',
    description: `at most this many, 1 to ${bounds.pageRows} (default: ${bounds.defaultPageRows})`,
    parse: integer(1, bounds.pageRows),
  },
  cursor: {
    value: 'CURSOR',
    description: 'continue after this page; the command to copy is shown below each page',
    parse: text(bounds.dataCursor),
  },
} as const;
