import {
  bool,
  type Column,
  columnFromArray,
  type DataType,
  dateDay,
  Endianness,
  type Field,
  field,
  fixedSizeBinary,
  float64,
  int32,
  int64,
  Table,
  TimeUnit,
  tableToIPC,
  timestamp,
  utf8,
  Version,
} from '@uwdata/flechette';
import type { ColumnKind, TableColumn, TableRow } from '../table.ts';
import { exactColumn, exactText } from './exact.ts';
import { scalarOf } from './scalar.ts';

/**
 * Arrow IPC as a stream: the schema, a record batch for each part, and the mark of the end. Numbers of records are
 * doubles; the digits of those that no double keeps are in the column `exactColumn`.
 */
export async function* encodeArrow(
  columns: readonly TableColumn[],
  parts: AsyncIterable<readonly TableRow[]>,
): AsyncGenerator<Uint8Array> {
  const layout = layoutOf(columns);
  yield messages(layout, []).schema;
  for await (const rows of parts) if (rows.length > 0) yield messages(layout, rows).batch;
  yield endOfStream;
}

interface Part {
  readonly column: TableColumn;
  cell(row: TableRow): unknown;
}

function layoutOf(columns: readonly TableColumn[]): Part[] {
  const parts = columns.map((column) => ({
    column,
    cell: (row: TableRow) => cellOf(column.kind, row[column.name] ?? null),
  }));
  const decimals = columns.filter(({ kind }) => kind === 'decimal').map(({ name }) => name);
  if (decimals.length === 0) return parts;
  return [...parts, { column: exactColumn, cell: (row) => exactText(decimals, row) }];
}

/** A length of zero where the next message would begin. */
const endOfStream = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/** The writer makes a whole stream of a table: the message of its schema, that of its rows, and the end. */
function messages(layout: readonly Part[], rows: readonly TableRow[]) {
  const made = tableToIPC(tableOf(layout, rows), { format: 'stream' });
  const bytes = made ?? new Uint8Array();
  // A message begins with a mark of four bytes and the length of its header; that of a schema has no body.
  const length = 8 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(4, true);
  return { schema: bytes.subarray(0, length), batch: bytes.subarray(length, -endOfStream.length) };
}

/** Values are given as the types of `physical`, which have the layout of those that the schema says. */
function tableOf(layout: readonly Part[], rows: readonly TableRow[]): Table {
  const fields = layout.map(({ column: { name, kind } }): Field => {
    const { type, extension } = types[kind];
    return field(name, type(), true, extension === undefined ? null : extensionOf(extension));
  });
  const columns = layout.map(({ column: { kind }, cell }) => {
    const { type, physical = type } = types[kind];
    return columnFromArray(rows.map(cell), physical(), { maxBatchRows: Math.max(1, rows.length) });
  });
  const schema = { version: Version.V5, endianness: Endianness.Little, fields, metadata: null };
  return new Table(schema, columns as Column<unknown>[]);
}

function cellOf(kind: ColumnKind, value: unknown): unknown {
  if (value === null) return null;
  switch (kind) {
    case 'uuid':
      return new Uint8Array(Buffer.from(String(value).replaceAll('-', ''), 'hex'));
    case 'list':
    case 'json':
      return JSON.stringify(value);
    default:
      return scalarOf(kind, value);
  }
}

interface ArrowType {
  readonly type: () => DataType;
  /** The type of the given values, where that is another one of the same layout. */
  readonly physical?: () => DataType;
  /** One of Arrow's own extension types. */
  readonly extension?: string;
}

const json = { type: utf8, extension: 'arrow.json' };
const types: Readonly<Record<ColumnKind, ArrowType>> = {
  text: { type: utf8 },
  // Dates and times as they were written, which may be either.
  moment: { type: utf8 },
  uuid: { type: () => fixedSizeBinary(16), extension: 'arrow.uuid' },
  decimal: { type: float64 },
  double: { type: float64 },
  integer: { type: int64 },
  boolean: { type: bool },
  time: { type: () => timestamp(TimeUnit.MICROSECOND, 'UTC'), physical: int64 },
  date: { type: dateDay, physical: int32 },
  list: json,
  json,
};

function extensionOf(name: string): Map<string, string> {
  return new Map([
    ['ARROW:extension:name', name],
    ['ARROW:extension:metadata', ''],
  ]);
}
