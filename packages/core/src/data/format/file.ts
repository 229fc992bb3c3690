import type { TableRow } from '../table.ts';

/** A table as one file, which is made while it is sent. */
export interface TableFile {
  readonly mediaType: string;
  /** The file's name, for those who save it. */
  readonly name: string;
  /** The rows, each part read when it is asked for. */
  readonly parts: AsyncIterable<readonly TableRow[]>;
  encode(parts: AsyncIterable<readonly TableRow[]>): AsyncIterable<Uint8Array>;
}
