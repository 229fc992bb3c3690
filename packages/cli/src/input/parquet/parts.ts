import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type AsyncBuffer, type FileMetaData, parquetRead, type RowGroup } from 'hyparquet';
import { unpackLz4 } from './lz4.ts';
import { parsers } from './values.ts';

/**
 * Rows that are in memory at a time, their values and the bytes of these. A page with more of them is unpacked once for each
 * such part of it.
 */
const mostRows = 131_072;
const mostValues = 4 * 2 ** 20;
const mostBytes = 64 * 2 ** 20;

/** Some rows of a file that follow each other, column by column. Its columns are there until the next part is asked for. */
export interface Part {
  /** The number in the file of the first row, from 0. */
  readonly start: number;
  readonly length: number;
  /** The values by the name of their column. */
  readonly columns: ReadonlyMap<string, readonly unknown[]>;
}

/**
 * Reads the columns `titles` of a file part by part. The library unpacks at least one page for each call, and from a group
 * without an index all that stands before it, so parts of a few rows would cost the square of the group.
 */
export async function* parquetParts(
  file: AsyncBuffer,
  metadata: FileMetaData,
  titles: readonly string[],
): AsyncGenerator<Part> {
  let groupStart = 0;
  for (const group of metadata.row_groups) {
    const groupEnd = groupStart + Number(group.num_rows);
    const most = rowsOfPart(group, titles);
    for (let start = groupStart; start < groupEnd; start += most) {
      const length = Math.min(most, groupEnd - start);
      const columns = new Map<string, readonly unknown[]>();
      // One after the other, so that only one of them is unpacked at a time.
      for (const title of titles) columns.set(title, await column(file, metadata, { title, start, length }));
      yield { start, length, columns };
      // Its reader holds the part while the next one is made.
      columns.clear();
    }
    groupStart = groupEnd;
  }
  if (groupStart !== Number(metadata.num_rows)) {
    throw new Error(`its groups have ${groupStart} rows of ${metadata.num_rows}`);
  }
}

function rowsOfPart({ columns, num_rows }: RowGroup, titles: readonly string[]): number {
  const read = new Set(titles);
  const sizes = columns.map(({ meta_data: data }) =>
    data && read.has(data.path_in_schema[0] ?? '') ? Number(data.total_uncompressed_size) : 0,
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const rows = Math.min(mostValues / titles.length, (mostBytes * Number(num_rows)) / Math.max(1, bytes));
  return Math.max(1, Math.min(mostRows, Math.floor(rows)));
}

async function column(
  file: AsyncBuffer,
  metadata: FileMetaData,
  { title, start, length }: { readonly title: string; readonly start: number; readonly length: number },
): Promise<readonly unknown[]> {
  const values: unknown[] = new Array(length);
  let filled = 0;
  await parquetRead({
    ...{ file, metadata, columns: [title], rowStart: start, rowEnd: start + length },
    ...{ compressors, parsers, utf8: false },
    // Pages come whole, so the first and the last one may reach beyond the part.
    onChunk({ columnData, rowStart }) {
      const [first, end] = [
        Math.max(rowStart, start),
        Math.min(rowStart + columnData.length, start + length),
      ];
      for (let row = first; row < end; row++) values[row - start] = columnData[row - rowStart];
      filled += Math.max(0, end - first);
    },
  });
  if (filled !== length) throw new Error(`column ${title} has ${filled} values for ${length} rows`);
  return values;
}

export const compressors = {
  GZIP: unpacking((input, size) => gunzipSync(input, within(size))),
  ZSTD: unpacking((input, size) => zstdDecompressSync(input, within(size))),
  BROTLI: unpacking((input, size) => brotliDecompressSync(input, within(size))),
  LZ4_RAW: unpacking(unpackLz4),
};

/** A page may say fewer bytes than it unpacks to. */
function within(size: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(1, size) };
}

type Unpack = (input: Uint8Array, size: number) => Uint8Array;

/** Errors without a code, which would be one of reading the file. */
function unpacking(unpack: Unpack): Unpack {
  return (input, size) => {
    try {
      return unpack(input, size);
    } catch (cause) {
      throw new Error(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  };
}
