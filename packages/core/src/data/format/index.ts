import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { TableColumn, TableRow } from '../table.ts';
import { encodeCsv } from './csv.ts';
import { encodeNdjson } from './ndjson.ts';

/** The formats of whole tables, by the ending of their path. */

export interface TableFormat {
  readonly mediaType: string;
  /** Reads a part when the one before it is written. */
  encode(
    columns: readonly TableColumn[],
    parts: AsyncIterable<readonly TableRow[]>,
  ): AsyncIterable<Uint8Array>;
}

const csv: TableFormat = { mediaType: 'text/csv; charset=utf-8; header=present', encode: encodeCsv };
const ndjson: TableFormat = { mediaType: 'application/x-ndjson; charset=utf-8', encode: encodeNdjson };

export const formats = {
  csv,
  'csv.gz': packed(csv),
  ndjson,
  'ndjson.gz': packed(ndjson),
  parquet: { mediaType: 'application/vnd.apache.parquet', encode: parquet },
  arrow: { mediaType: 'application/vnd.apache.arrow.stream', encode: arrow },
} as const satisfies Record<string, TableFormat>;

export type FormatName = keyof typeof formats;
export const formatNames = Object.keys(formats) as FormatName[];

function packed({ encode }: TableFormat): TableFormat {
  return {
    mediaType: 'application/gzip',
    async *encode(columns, parts) {
      const source = Readable.from(encode(columns, parts), { objectMode: false });
      const gzip = createGzip({ level: 6 });
      source.on('error', (error) => gzip.destroy(error));
      try {
        yield* source.pipe(gzip) as AsyncIterable<Buffer>;
      } finally {
        source.destroy();
        gzip.destroy();
      }
    },
  };
}

/** Loaded where it is used. */
async function* parquet(
  columns: readonly TableColumn[],
  parts: AsyncIterable<readonly TableRow[]>,
): AsyncGenerator<Uint8Array> {
  const { encodeParquet } = await import('./parquet.ts');
  yield* encodeParquet(columns, parts);
}

async function* arrow(
  columns: readonly TableColumn[],
  parts: AsyncIterable<readonly TableRow[]>,
): AsyncGenerator<Uint8Array> {
  const { encodeArrow } = await import('./arrow.ts');
  yield* encodeArrow(columns, parts);
}
