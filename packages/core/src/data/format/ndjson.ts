import type { TableColumn, TableRow } from '../table.ts';

/** A JSON object on each line, with its columns in their order. */
export async function* encodeNdjson(
  columns: readonly TableColumn[],
  parts: AsyncIterable<readonly TableRow[]>,
): AsyncGenerator<Buffer> {
  for await (const rows of parts) if (rows.length > 0) yield ndjsonRows(columns, rows);
}

export function ndjsonRows(columns: readonly TableColumn[], rows: readonly TableRow[]): Buffer {
  const names = columns.map(({ name }) => name);
  const line = (row: TableRow) =>
    `${JSON.stringify(Object.fromEntries(names.map((name) => [name, row[name] ?? null])))}\n`;
  return Buffer.from(rows.map(line).join(''));
}
