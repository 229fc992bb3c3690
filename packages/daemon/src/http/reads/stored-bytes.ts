import type { Readable } from 'node:stream';

/**
 * An answer of bytes that are stored. They are opened when the read's turn has ended: opening them may wait until they
 * are compared with their digest.
 */
export class StoredBytes {
  readonly length: number;
  /** Opens them, and sets the headers of the answer. */
  readonly open: () => Promise<Readable>;

  constructor(length: number, open: () => Promise<Readable>) {
    this.length = length;
    this.open = open;
  }
}
