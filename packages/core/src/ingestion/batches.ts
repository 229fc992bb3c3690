import { bounds } from '../limits.ts';

export interface BatchBounds<T> {
  /** Records of a batch, at most. */
  readonly records: number;
  /** The size of a record's metadata. */
  readonly bytes: (record: T) => number;
}

/** Whether a batch of these sizes takes no more: it has its records, or as many bytes as are held in memory at once. */
export function isFull(records: number, bytes: number, most: number): boolean {
  return records >= most || bytes >= bounds.batchBytes;
}

/** `records` in batches, in order. */
export function cutBatches<T>(records: readonly T[], { records: most, bytes }: BatchBounds<T>): T[][] {
  const batches: T[][] = [];
  let size = 0;
  let current: T[] = [];
  for (const record of records) {
    current.push(record);
    size += bytes(record);
    if (!isFull(current.length, size, most)) continue;
    batches.push(current);
    current = [];
    size = 0;
  }
  return current.length > 0 ? [...batches, current] : batches;
}
