import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long one piece of a long work may keep the event loop from others. */
const pieceMs = 2;

/**
 * `items.map(map)`, which lets others have the event loop every few milliseconds.
 *
 * @throws the reason of `wanted` once it is aborted
 */
export async function mapInTurns<T, R>(
  items: readonly T[],
  map: (item: T) => R,
  wanted?: AbortSignal,
): Promise<R[]> {
  const results: R[] = [];
  let start = performance.now();
  for (const item of items) {
    results.push(map(item));
    if (performance.now() - start < pieceMs) continue;
    await nextTurn();
    wanted?.throwIfAborted();
    start = performance.now();
  }
  return results;
}
