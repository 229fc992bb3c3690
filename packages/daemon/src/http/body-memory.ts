import { OsaError } from '@osa/core/error';
import { type Reader, Tally } from './reads/shares.ts';

/** The JSON bodies of all requests, which are in memory completely until their handlers have ended. */
export interface BodyMemory {
  begin(reader: Reader): BodyCount;
}

/** The bytes of one body. They are given back when it is disposed. */
export interface BodyCount extends Disposable {
  /** @throws OsaError `busy` if the bodies of this reader, or of all, would be too large together */
  add(bytes: number): void;
}

export interface BodyLimits {
  /** The most bytes of one reader, and of all. A quarter of all is kept from readers without a token. */
  readonly each: number;
  readonly all: number;
}

/** Bytes count as they come, so a client that only announces a large body, or sends it slowly, takes nothing from others. */
export function bodyMemory({ each, all }: BodyLimits): BodyMemory {
  const [held, anonymous] = [new Tally(), new Tally()];
  const mostAnonymous = Math.floor(all * 0.75);
  return {
    begin({ name, isAnonymous }) {
      let own = 0;
      const count = (bytes: number) => {
        own += bytes;
        held.add(name, bytes);
        if (isAnonymous) anonymous.add(name, bytes);
      };
      return {
        add(bytes) {
          if (held.of(name) + bytes > each)
            throw busy(`the bodies of your requests may be ${each} bytes together`);
          const isFull = isAnonymous && anonymous.all + bytes > mostAnonymous;
          if (isFull || held.all + bytes > all) throw busy('the bodies of others fill the memory for them');
          count(bytes);
        },
        [Symbol.dispose]: () => count(-own),
      };
    },
  };
}

function busy(why: string): OsaError {
  return new OsaError('busy', `${why}; try again in a second`);
}
