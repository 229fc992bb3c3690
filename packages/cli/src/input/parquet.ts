import { open } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { exactKey } from '@osa/core/data/format/exact';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { Field } from '@osa/core/record/cell';
import { systemCode } from '@osa/core/system/error';
import { cut, excerpt } from '@osa/core/text';
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { type Choices, type Columns, chooseColumns } from './columns.ts';
import { jsonOf, parsers, problemOf, type Scales, scaled, shown, takeScales } from './parquet-values.ts';

/** Records of a Parquet file, some rows at a time. */

const rowsAtATime = 5_000;

/** @throws OsaError `usage` for a damaged file, and columns that do not fit the schema */
export async function* parquetRecords(
  { name, path }: { readonly name: string; readonly path: string },
  {
    fields,
    choices,
    stop,
  }: {
    readonly fields: readonly Field[];
    readonly choices: Choices;
    readonly stop?: AbortSignal | undefined;
  },
): AsyncGenerator<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const source = {
      byteLength: size,
      async slice(start: number, end = size): Promise<ArrayBuffer> {
        const bytes = new Uint8Array(Math.max(0, end - start));
        await file.read(bytes, 0, bytes.length, start);
        return bytes.buffer;
      },
    };
    const metadata = await parquetMetadataAsync(source);
    const titles = parquetSchema(metadata).children.map(({ element }) => element.name);
    const columns = chooseColumns(name, titles, { fields, choices });
    const exact = exactOf(metadata);
    const read = titles.filter((_, index) => columns.fields[index] !== undefined || index === columns.id);
    const scales = takeScales(metadata, { name, read });
    const rows = Number(metadata.num_rows);
    for (let rowStart = 0; rowStart < rows; rowStart += rowsAtATime) {
      stop?.throwIfAborted();
      const found = await parquetReadObjects({
        file: source,
        metadata,
        rowStart,
        rowEnd: Math.min(rows, rowStart + rowsAtATime),
        compressors,
        parsers,
        utf8: false,
        columns: read,
      });
      yield found
        .map((row, index) =>
          recordOf(name, row, { titles, columns, exact, scales, number: rowStart + index }),
        )
        .join('');
    }
  } catch (error) {
    if (error instanceof OsaError || systemCode(error) !== undefined) throw error;
    throw new OsaError(
      'usage',
      `${name}: this Parquet file is damaged, or of a kind that is not read (${messageOf(error)})`,
      {
        cause: error,
      },
    );
  } finally {
    await file.close();
  }
}

type Exact = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Digits that the doubles of the file do not have; see the format. */
function exactOf({ key_value_metadata: pairs = [] }: FileMetaData): Exact {
  const text = pairs.find(({ key }) => key === exactKey)?.value;
  return text === undefined ? {} : (JSON.parse(text) as Exact);
}

interface Reading {
  readonly titles: readonly string[];
  readonly columns: Columns;
  readonly exact: Exact;
  readonly scales: Scales;
  /** The row's number, from 0. */
  readonly number: number;
}

function recordOf(
  name: string,
  row: Readonly<Record<string, unknown>>,
  { titles, columns, exact, scales, number }: Reading,
): string {
  const members: string[] = [];
  const problems: string[] = [];
  for (const [index, field] of columns.fields.entries()) {
    const title = titles[index] ?? '';
    const value = scaled(row[title], scales.get(title));
    if (!field || value === null || value === undefined) continue;
    const json = exact[title]?.[number] ?? jsonOf(value);
    if (json === undefined) problems.push(`column ${excerpt(title)}: ${problemOf(value)}`);
    members.push(`${JSON.stringify(field.name)}:${json ?? JSON.stringify(shown(value))}`);
  }
  const id =
    columns.id === undefined ? String(number + 1) : idOf(row, { title: titles[columns.id] ?? '', scales });
  const problem = cut(`${name} row ${number + 1}: ${problems.join('; ')}`, bounds.reasonLength);
  const said = problems.length === 0 ? '' : `,"problem":${JSON.stringify(problem)}`;
  return `{"source_id":${JSON.stringify(id)},"metadata":{${members.join(',')}}${said}}\n`;
}

function idOf(
  row: Readonly<Record<string, unknown>>,
  { title, scales }: { readonly title: string; readonly scales: Scales },
): string {
  const value = scaled(row[title], scales.get(title)) ?? '';
  const json = jsonOf(value);
  if (json === undefined) return '';
  return typeof value === 'string' || value instanceof Uint8Array ? shown(value) : json;
}

const compressors = {
  GZIP: (input: Uint8Array) => gunzipSync(input),
  ZSTD: (input: Uint8Array) => zstdDecompressSync(input),
  BROTLI: (input: Uint8Array) => brotliDecompressSync(input),
};

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
