import { open } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { exactKey } from '@osa/core/data/format/exact';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { Field } from '@osa/core/record/cell';
import { systemCode } from '@osa/core/system-error';
import { cut, excerpt } from '@osa/core/text';
import {
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { type Choices, type Columns, chooseColumns } from './columns.ts';

/** Records of a Parquet file, some rows at a time. */

const rowsAtATime = 5_000;

/** @throws OsaError `usage` for a damaged file, and columns that do not fit the schema */
export async function* parquetRecords(
  { name, path }: { readonly name: string; readonly path: string },
  { fields, choices }: { readonly fields: readonly Field[]; readonly choices: Choices },
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
    const rows = Number(metadata.num_rows);
    for (let rowStart = 0; rowStart < rows; rowStart += rowsAtATime) {
      const found = await parquetReadObjects({
        file: source,
        metadata,
        rowStart,
        rowEnd: Math.min(rows, rowStart + rowsAtATime),
        compressors,
        parsers,
        columns: titles.filter((_, index) => columns.fields[index] !== undefined || index === columns.id),
      });
      yield found
        .map((row, index) => recordOf(name, row, { titles, columns, exact, number: rowStart + index }))
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
  /** The row's number, from 0. */
  readonly number: number;
}

function recordOf(
  name: string,
  row: Readonly<Record<string, unknown>>,
  { titles, columns, exact, number }: Reading,
): string {
  const members: string[] = [];
  const problems: string[] = [];
  for (const [index, field] of columns.fields.entries()) {
    const title = titles[index] ?? '';
    const value = row[title];
    if (!field || value === null || value === undefined) continue;
    const json = exact[title]?.[number] ?? jsonOf(value);
    if (json === undefined)
      problems.push(`column ${excerpt(title)}: ${String(value)} is not a number of JSON`);
    members.push(`${JSON.stringify(field.name)}:${json ?? JSON.stringify(String(value))}`);
  }
  const given = columns.id === undefined ? number + 1 : row[titles[columns.id] ?? ''];
  const id =
    typeof given === 'string' ? given : given === null || given === undefined ? '' : (jsonOf(given) ?? '');
  const problem = cut(`${name} row ${number + 1}: ${problems.join('; ')}`, bounds.reasonLength);
  const said = problems.length === 0 ? '' : `,"problem":${JSON.stringify(problem)}`;
  return `{"source_id":${JSON.stringify(id)},"metadata":{${members.join(',')}}${said}}\n`;
}

/** JSON that is in the file as text. */
class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Undefined for NaN and infinite numbers, which JSON does not have. */
function jsonOf(value: unknown): string | undefined {
  if (value instanceof JsonText) return value.text;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : undefined;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const items = Array.from(value as ArrayLike<unknown>, (item) => jsonOf(item ?? null));
    return items.every((item) => item !== undefined) ? `[${items.join(',')}]` : undefined;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, item]) => [JSON.stringify(key), jsonOf(item ?? null)]);
    return members.every(([, item]) => item !== undefined)
      ? `{${members.map((member) => member.join(':')).join(',')}}`
      : undefined;
  }
  return JSON.stringify(value);
}

const decoder = new TextDecoder();
const isoOf = (milliseconds: bigint, fraction: string) =>
  new Date(Number(milliseconds)).toISOString().replace(/\.\d{3}Z$/, `${fraction.replace(/\.?0*$/, '')}Z`);

/** Times and JSON as text, with all of their digits. */
const parsers = {
  timestampFromMilliseconds: (at: bigint) => isoOf(at, `.${digitsOf(at, 1_000n, 3)}`),
  timestampFromMicroseconds: (at: bigint) => isoOf(floored(at, 1_000n), `.${digitsOf(at, 1_000_000n, 6)}`),
  timestampFromNanoseconds: (at: bigint) =>
    isoOf(floored(at, 1_000_000n), `.${digitsOf(at, 1_000_000_000n, 9)}`),
  dateFromDays: (days: number) => new Date(days * 86_400_000).toISOString().slice(0, 10),
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && new JsonText(decoder.decode(bytes)),
} as unknown as ParquetParsers;

const floored = (at: bigint, unit: bigint) => (at - (((at % unit) + unit) % unit)) / unit;
const digitsOf = (at: bigint, unit: bigint, digits: number) =>
  String(((BigInt(at) % unit) + unit) % unit).padStart(digits, '0');

const compressors = {
  GZIP: (input: Uint8Array) => gunzipSync(input),
  ZSTD: (input: Uint8Array) => zstdDecompressSync(input),
  BROTLI: (input: Uint8Array) => brotliDecompressSync(input),
};

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
