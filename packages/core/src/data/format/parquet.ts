import { zstdCompressSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { OsaError } from '../../error.ts';
import { isRawNumber, type RawNumber } from '../../json/raw.ts';
import { bounds } from '../../limits.ts';
import type { ColumnKind, TableColumn, TableRow } from '../table.ts';
import { exactKey } from './exact.ts';
import { scalarOf } from './scalar.ts';

/**
 * Parquet, with a type for each column and zstd. Numbers of records are doubles; the digits of those that no double keeps
 * are in the metadata of the file under `exactKey`.
 */

/** Rows of a group, and characters of its texts: what is in memory at a time, and is written without letting others have a turn. */
const groupRows = 5_000;
const groupCharacters = 2 * 1024 * 1024;

export async function* encodeParquet(
  columns: readonly TableColumn[],
  parts: AsyncIterable<readonly TableRow[]>,
): AsyncGenerator<Uint8Array> {
  const file = new ParquetFile(columns);
  for await (const rows of parts) {
    file.add(rows);
    const bytes = file.taken();
    if (bytes.length > 0) yield bytes;
  }
  file.end();
  yield file.taken();
}

class ParquetFile {
  private readonly bytes = new ByteWriter(64 * 1024);
  private readonly metadata: { key: string; value: string }[] = [];
  private readonly exact = new Exact();
  private readonly writer: ParquetWriter;
  private readonly elements: SchemaElement[];
  private group: unknown[][];
  private characters = 0;
  private rows = 0;

  private readonly columns: readonly TableColumn[];

  constructor(columns: readonly TableColumn[]) {
    this.columns = columns;
    this.group = columns.map(() => []);
    this.elements = columns.map(elementOf);
    this.writer = new ParquetWriter({
      writer: this.bytes,
      schema: [{ name: 'root', num_children: columns.length }, ...this.elements],
      codec: 'ZSTD',
      compressors: { ZSTD: (input) => zstdCompressSync(input, { pledgedSrcSize: input.length }) },
      kvMetadata: this.metadata,
      createdBy: 'osa',
    });
  }

  add(rows: readonly TableRow[]): void {
    for (const row of rows) {
      for (const [index, { name, kind }] of this.columns.entries()) {
        this.group[index]?.push(this.cell(name, kind, row[name]));
      }
      this.rows += 1;
      if ((this.group[0]?.length ?? 0) >= groupRows || this.characters >= groupCharacters) this.write();
    }
  }

  end(): void {
    this.write();
    if (this.exact.size > 0) this.metadata.push({ key: exactKey, value: this.exact.text() });
    // The writer would parse and print what has this mark, and lose digits; readers look for it in the footer.
    for (const element of this.elements) {
      if (element.logical_type?.type === 'JSON') element.converted_type = 'JSON';
    }
    void this.writer.finish();
  }

  /** The bytes that were written since the last time. */
  taken(): Uint8Array {
    const bytes = this.bytes.getBytes().slice();
    this.bytes.index = 0;
    return bytes;
  }

  private cell(name: string, kind: ColumnKind, value: unknown): unknown {
    if (value === null || value === undefined) return undefined;
    if (kind === 'decimal' && isRawNumber(value)) this.exact.add(name, this.rows, value);
    const cell = cellOf(kind, value);
    this.characters += typeof cell === 'string' || cell instanceof Uint8Array ? cell.length : 8;
    return cell;
  }

  private write(): void {
    const count = this.group[0]?.length ?? 0;
    if (count === 0) return;
    const columnData = this.columns.map(({ name, kind }, index) => ({
      name,
      data: this.group[index] ?? [],
      offsetIndex: false,
      // The least and the greatest value of each group are kept until the end of the file.
      statistics: hasSmallValues(kind),
    }));
    void this.writer.write({ columnData, rowGroupSize: count });
    this.group = this.columns.map(() => []);
    this.characters = 0;
  }
}

/** Digits that no double keeps. */
class Exact {
  size = 0;
  private readonly columns = new Map<string, Map<number, string>>();

  /** @throws OsaError `invalid` when there are too many */
  add(column: string, row: number, { rawJSON: digits }: RawNumber): void {
    this.size += 1;
    if (this.size > bounds.exactNumbers) {
      throw new OsaError(
        'invalid',
        `format: more than ${bounds.exactNumbers} numbers have more digits than a double; take csv or ndjson instead of parquet`,
        { field: 'format' },
      );
    }
    const rows = this.columns.get(column) ?? new Map<number, string>();
    this.columns.set(column, rows.set(row, digits));
  }

  text(): string {
    return JSON.stringify(
      Object.fromEntries([...this.columns].map(([name, rows]) => [name, Object.fromEntries(rows)])),
    );
  }
}

/** Values as the writer of the column takes them. */
function cellOf(kind: ColumnKind, value: unknown): unknown {
  switch (kind) {
    case 'list':
    case 'json':
      return Buffer.from(JSON.stringify(value));
    default:
      return scalarOf(kind, value);
  }
}

function hasSmallValues(kind: ColumnKind): boolean {
  return elements[kind].type !== 'BYTE_ARRAY' && kind !== 'uuid';
}

function elementOf({ name, kind }: TableColumn): SchemaElement {
  return { name, repetition_type: 'OPTIONAL', ...elements[kind] };
}

const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const json = { type: 'BYTE_ARRAY', logical_type: { type: 'JSON' } } as const;
const elements: Readonly<Record<ColumnKind, Partial<SchemaElement>>> = {
  text,
  // Dates and times as they were written, which may be either.
  moment: text,
  uuid: { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } },
  decimal: { type: 'DOUBLE' },
  double: { type: 'DOUBLE' },
  integer: { type: 'INT64' },
  boolean: { type: 'BOOLEAN' },
  time: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  },
  date: { type: 'INT32', converted_type: 'DATE' },
  list: json,
  json,
};
