import type { Readable } from 'node:stream';
import type { StoredFile } from '../file/file.ts';

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

/** The part of a file that an upload sends. */
export interface Receiving {
  /** Who sends it: nobody goes on with what another has sent. A name of letters and digits. */
  readonly sender: string;
  /** Where the part begins; all before it has come. */
  readonly offset: number;
  /** Of the whole file. */
  readonly size: number;
}

/** Keeps the files of records under their SHA-256, of any size; never a whole one in memory. */
export interface FileStore {
  /** How many bytes of a file have come from a sender. */
  received(sha256: string, sender: string): Promise<number>;
  /**
   * Takes a part of a file. `stored` is there once the whole has come and has the digest; then it can be read. What came
   * of a part that broke off is kept, and the next part begins there.
   *
   * @throws OsaError `conflict` for another offset than that of the end, with `details.received`; `in_progress`;
   * `too_large`; `invalid` for another digest; `unavailable`
   */
  receive(
    sha256: string,
    chunks: AsyncIterable<Uint8Array>,
    part: Receiving,
  ): Promise<{ readonly received: number; readonly stored: StoredFile | undefined }>;
  /**
   * Gives the bytes a further name, which must be free, without copying them. They are compared with the digest before.
   *
   * @throws OsaError `unavailable` when they are gone or damaged
   */
  link(sha256: string, path: string): Promise<void>;
  /** Reads them, or the bytes from `start` to `end`, both included. They are compared with the digest before. */
  open(sha256: string, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
}
