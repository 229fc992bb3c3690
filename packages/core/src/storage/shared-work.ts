/**
 * Does the work of a key once for all who ask for it meanwhile. It is asked to stop when all of them have gone; the
 * next caller begins it again.
 */
export type SharedWork<T> = (
  key: string,
  /** Aborted when the asker has gone; undefined for one who always waits, and whose work is begun at once. */
  wanted: AbortSignal | undefined,
  work: (stop: AbortSignal) => Promise<T>,
) => Promise<T>;

interface Work<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  readonly begin: () => void;
  askers: number;
}

/** Begins no more than `most` works at a time for askers who may go; the others wait in the order of arrival. */
export function sharedWork<T>(most: number): SharedWork<T> {
  const works = new Map<string, Work<T>>();
  const waiting = new Set<() => void>();
  let active = 0;
  const ended = () => {
    active -= 1;
    const [next] = waiting;
    if (active < most) next?.();
  };
  const add = (key: string, work: (stop: AbortSignal) => Promise<T>): Work<T> => {
    const { promise, resolve } = Promise.withResolvers<T>();
    const stop = new AbortController();
    let isBegun = false;
    const begin = () => {
      waiting.delete(begin);
      if (isBegun) return;
      isBegun = true;
      active += 1;
      const doing = work(stop.signal).finally(() => {
        if (works.get(key) === added) works.delete(key);
        ended();
      });
      resolve(doing);
    };
    // Nobody hears of a failure after all have gone.
    promise.catch(() => undefined);
    const added: Work<T> = { result: promise, stop, begin, askers: 0 };
    works.set(key, added);
    waiting.add(begin);
    return added;
  };
  return async (key, wanted, work) => {
    wanted?.throwIfAborted();
    const shared = works.get(key) ?? add(key, work);
    shared.askers += 1;
    if (wanted === undefined || active < most) shared.begin();
    try {
      return await untilGone(shared.result, wanted);
    } finally {
      shared.askers -= 1;
      if (shared.askers === 0) {
        if (works.get(key) === shared) works.delete(key);
        waiting.delete(shared.begin);
        shared.stop.abort();
      }
    }
  };
}

async function untilGone<T>(result: Promise<T>, wanted: AbortSignal | undefined): Promise<T> {
  if (wanted === undefined) return result;
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () => reject(wanted.reason);
  wanted.addEventListener('abort', leave);
  try {
    return await Promise.race([result, promise]);
  } finally {
    wanted.removeEventListener('abort', leave);
  }
}
