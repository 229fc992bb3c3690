/** Runs a work when its turn comes, and answers what it answers. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** At most `most` works at a time; the others wait in the order in which they came. */
export function turns(most: number): Turns {
  const waiting: (() => void)[] = [];
  let free = most;
  return async (work) => {
    if (free > 0) {
      free -= 1;
    } else {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      await promise;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // A turn is handed on, so that nobody who comes between can take it.
      if (next) next();
      else free += 1;
    }
  };
}
