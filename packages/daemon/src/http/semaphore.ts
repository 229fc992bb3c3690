/** Runs `work` when a slot is free, and returns its result. */
export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>;

/** Runs at most `most` works at a time; the others wait in the order of arrival. */
export function semaphore(most: number): Semaphore {
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
      // The slot is passed on directly, so that a newcomer cannot take it first.
      if (next) next();
      else free += 1;
    }
  };
}
