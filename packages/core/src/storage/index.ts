import type { Readable } from 'node:stream';

/**
 * Keeps bytes under their SHA-256. A stored blob never changes; a write becomes visible completely or not at all.
 * Digests are 64 lower-case hex digits, without a prefix.
 */
export interface BlobStore {
  /**
   * Stores the bytes of `source` if they hash to `sha256`.
   *
   * @throws OsaError `invalid` when they hash to something else, `too_large` beyond `maxBytes`.
   */
  put(
    sha256: string,
    source: Readable,
    options: { readonly maxBytes: number },
  ): Promise<{ readonly size: number }>;
  /**
   * Reads the bytes, and compares them with the digest. The stream of a damaged blob fails before its last byte.
   *
   * @throws OsaError `not_found`, `unavailable` when the store does not answer, or the bytes are damaged
   */
  open(sha256: string): Promise<Readable>;
  /** Undefined when it is not stored. The bytes are not read. */
  find(sha256: string): Promise<Kept | undefined>;
  /** Everything that is stored completely. Blobs come in the order of their digests. */
  list(): AsyncIterable<Listed>;
  /** Removes a blob; removing one that is not there does nothing. */
  remove(sha256: string): Promise<void>;
  /** Removes what writers left that began before `before` and never finished; gives their number. */
  removeUnfinished(before: Date): Promise<number>;
}

export interface Kept {
  readonly size: number;
  readonly storedAt: Date;
}

export interface Listed extends Kept {
  /** Undefined for a thing that is not a blob of ours. */
  readonly sha256: string | undefined;
  /** Where it is in the store. */
  readonly name: string;
}
