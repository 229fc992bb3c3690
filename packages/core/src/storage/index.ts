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
  /** @throws OsaError `not_found` */
  open(sha256: string): Promise<Readable>;
  has(sha256: string): Promise<boolean>;
}
