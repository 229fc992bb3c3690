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

/** The part of a file that an upload sends. */
export interface Receiving {
  /** The sender: nobody else continues the upload. A name of letters and digits. */
  readonly sender: string;
  /** Where the part begins; all before it has come. */
  readonly offset: number;
  /** The size of the whole file. */
  readonly size: number;
}

/** Keeps the files of records under their SHA-256, of any size; never a whole one in memory. */
export interface FileStore {
  /** How many bytes of a file have come from a sender. */
  received(sha256: string, sender: string): Promise<number>;
  /**
   * Takes a part of a file. `stored` is there once the whole has come and has the digest; then it can be read. The
   * bytes of a part that broke off are kept, and the next part begins there.
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
  /**
   * Reads them, or the bytes from `start` to `end`, both included. They are compared with the digest before, and all of
   * them once more while they are read: the stream of a damaged file fails before its last byte.
   *
   * @throws OsaError `unavailable` when they are gone or damaged
   */
  open(sha256: string, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
}

/** The bytes that an archive keeps beside its database: the code of hooks, and the files of records. */
export interface Stores {
  readonly blobs: BlobStore;
  readonly files: FileStore;
}
