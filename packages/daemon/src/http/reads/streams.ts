import { OsaError } from '@osa/core/error';
import type { Reader } from './shares.ts';

/** Answers that are made while they are sent, of one kind. */
export interface Streams {
  /**
   * Counts one until the function that comes back is called.
   *
   * @throws OsaError `rate_limited` if this reader has too many; `busy` if all have
   */
  begin(reader: Reader): () => void;
}

export interface StreamLimits {
  /** The most streams of one reader, and of all. A quarter of all is kept from readers without a token. */
  readonly each: number;
  readonly all: number;
}

/** `what` names them for the reader, in the plural. */
export function countedStreams(what: string, { each, all }: StreamLimits): Streams {
  const counts = new Map<string, number>();
  const active = { all: 0, anonymous: 0 };
  const mostAnonymous = Math.ceil(all * 0.75);
  return {
    begin({ name, isAnonymous }) {
      const count = counts.get(name) ?? 0;
      if (count >= each) {
        throw new OsaError(
          'rate_limited',
          `you read ${each} ${what} at a time already; wait until one ends`,
          {
            details: { retry_after_seconds: 5, limit: each },
          },
        );
      }
      if (active.all >= all || (isAnonymous && active.anonymous >= mostAnonymous)) {
        throw new OsaError('busy', `too many ${what} are read at a time; try again in a second`);
      }
      const add = (by: 1 | -1) => {
        active.all += by;
        if (isAnonymous) active.anonymous += by;
        const sum = (counts.get(name) ?? 0) + by;
        if (sum === 0) counts.delete(name);
        else counts.set(name, sum);
      };
      add(1);
      let isOver = false;
      return () => {
        if (!isOver) add(-1);
        isOver = true;
      };
    },
  };
}
