import type { Principal } from '../auth/principal.ts';
import type { StoredFile } from './file.ts';

/** The files of the archive, as the use cases see them in the database. */
export interface FileWrites {
  /** Says that a file is stored, which it may be already, and that the actor has sent all of it. */
  record(sha256: string, file: StoredFile): Promise<void>;
}

export interface FileReads {
  /** Those of the digests that are stored, and that this principal has sent, or may read in a published record. */
  known(principal: Principal, digests: readonly string[]): Promise<ReadonlyMap<string, StoredFile>>;
  /** The files of a published record, by name; undefined when there is no such record. */
  ofRecord(record: PublishedName): Promise<readonly PublishedFile[] | undefined>;
}

/** How much each actor has sent on a day, in UTC by the database's clock. */
export interface UploadUse {
  /** Counts bytes that are about to be sent; otherwise the seconds until more may be, and nothing is counted. */
  reserve(
    principal: Principal,
    bytes: number,
    mostBytes: number,
  ): Promise<'reserved' | { readonly waitSeconds: number }>;
  /** Gives back what was not sent. */
  giveBack(principal: Principal, bytes: number): Promise<void>;
}

/** A published record: a version, or the newest without one. */
export interface PublishedName {
  readonly id: string;
  readonly version: number | undefined;
}

export interface PublishedFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}
