import { open } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { exactKey } from '@osa/core/data/format/exact';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { FieldDefinition } from '@osa/core/record/schema';
import { systemCode } from '@osa/core/system/error';
import { cut, excerpt } from '@osa/core/text';
import { type FileMetaData, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { type Choices, type Columns, chooseColumns, type Numbering } from '../columns.ts';
import { type CellValue, RowCheck, type Wanted } from '../row-check.ts';
import { parquetParts } from './parts.ts';
import { jsonOf, problemOf, type Scales, scaled, shown, takeScales } from './values.ts';

/** Records of a Parquet file. */

/** Characters of records that are sent at a time. */
const charactersAtATime = 64 * 1024;

/** @throws OsaError `usage` for a damaged file, and columns that do not fit the schema */
export async function* parquetRecords(
  { name, path }: { readonly name: string; readonly path: string },
  {
    wanted,
    choices,
    numbers,
    stop,
    onRead,
  }: {
    readonly wanted: Wanted;
    readonly choices: Choices;
    readonly numbers: Numbering;
    readonly stop?: AbortSignal | undefined;
    /** Hears which share of the rows has been read. */
    readonly onRead?: (share: number) => void;
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
    const columns = chooseColumns(name, titles, { fields: wanted.fields, choices });
    const check = new RowCheck(wanted);
    const exact = exactOf(metadata);
    const read = titles.filter((_, index) => columns.fields[index] !== undefined || index === columns.id);
    const scales = takeScales(metadata, { name, read });
    for await (const part of parquetParts(source, metadata, read)) {
      let text = '';
      for (let index = 0; index < part.length; index += 1) {
        text += recordOf(name, (title) => part.columns.get(title)?.[index], {
          ...{ titles, columns, exact, scales, numbers, check, row: part.start + index },
        });
        if (text.length < charactersAtATime && index + 1 < part.length) continue;
        onRead?.((part.start + index + 1) / Number(metadata.num_rows));
        yield text;
        text = '';
        // Nothing else here waits for anything, and a Ctrl-C would not be heard.
        await turn();
        stop?.throwIfAborted();
      }
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

/** The value of a column in one row. */
type CellOf = (title: string) => unknown;

interface Reading {
  readonly titles: readonly string[];
  readonly columns: Columns<FieldDefinition>;
  readonly exact: Exact;
  readonly scales: Scales;
  readonly numbers: Numbering;
  readonly check: RowCheck;
  /** The row's number in the file, from 0. */
  readonly row: number;
}

function recordOf(
  name: string,
  cellOf: CellOf,
  { titles, columns, exact, scales, numbers, check, row }: Reading,
): string {
  const members: string[] = [];
  const problems: string[] = [];
  const cells: CellValue[] = [];
  for (const [index, field] of columns.fields.entries()) {
    const title = titles[index] ?? '';
    const value = scaled(cellOf(title), scales.get(title));
    if (!field) continue;
    if (value === null || value === undefined) {
      cells.push({ field, title, json: undefined });
      continue;
    }
    const json = exact[title]?.[row] ?? jsonOf(value);
    if (json !== undefined) cells.push({ field, title, json });
    else problems.push(`column ${excerpt(title)}: ${problemOf(value)}`);
    members.push(`${JSON.stringify(field.name)}:${json ?? JSON.stringify(shown(value))}`);
  }
  problems.push(...check.reasons(cells));
  const id =
    columns.id === undefined ? numbers.next() : idOf(cellOf, { title: titles[columns.id] ?? '', scales });
  const problem = cut(`${name} row ${row + 1}: ${problems.join('; ')}`, bounds.reasonLength);
  const said = problems.length === 0 ? '' : `,"problem":${JSON.stringify(problem)}`;
  return `{"source_id":${JSON.stringify(id)},"metadata":{${members.join(',')}}${said}}\n`;
}

function idOf(
  cellOf: CellOf,
  { title, scales }: { readonly title: string; readonly scales: Scales },
): string {
  const value = scaled(cellOf(title), scales.get(title)) ?? '';
  const json = jsonOf(value);
  if (json === undefined) return '';
  return typeof value === 'string' || value instanceof Uint8Array ? shown(value) : json;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
