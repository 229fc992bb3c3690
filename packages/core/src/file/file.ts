/** A file of a record: bytes by their SHA-256, under a name that is unique within the record. */
export interface RecordFile {
  readonly name: string;
  /** Hex. */
  readonly sha256: string;
  readonly size: number;
}

/** A stored file, and its first bytes, by which its type is known. */
export interface StoredFile {
  readonly size: number;
  readonly head: Uint8Array;
}

/** The length of the start of a file that is kept. */
export const headBytes = 64;

/** The text about a record's files that goes into its content digest: JSON whose keys and items are in order. */
export function digestText(files: readonly Pick<RecordFile, 'name' | 'sha256'>[]): string {
  const items = inOrder(files).map(({ name, sha256 }) => JSON.stringify({ name, sha256 }));
  return `[${items.join(',')}]`;
}

/** By the bytes of their names. */
export function inOrder<File extends Pick<RecordFile, 'name'>>(files: readonly File[]): File[] {
  return files.toSorted((left, right) => Buffer.compare(Buffer.from(left.name), Buffer.from(right.name)));
}
