import type { ColumnKind, TableColumn, TableRow } from '../table.ts';

/**
 * CSV by RFC 4180: a header, CRLF, quotes where they are needed. An absent value is an empty cell, an empty text is `""`, booleans
 * are True and False, lists and JSON are JSON text. Numbers have all their digits.
 */
export async function* encodeCsv(
  columns: readonly TableColumn[],
  parts: AsyncIterable<readonly TableRow[]>,
): AsyncGenerator<Buffer> {
  yield Buffer.from(csvLine(columns.map(({ name }) => name)));
  for await (const rows of parts) yield csvRows(columns, rows);
}

/** The lines of rows, without a header. */
export function csvRows(columns: readonly TableColumn[], rows: readonly TableRow[]): Buffer {
  let text = '';
  for (const row of rows) {
    let line = '';
    for (const [index, { name, kind }] of columns.entries()) {
      line += `${index === 0 ? '' : ','}${csvCell(kind, row[name])}`;
    }
    text += `${line}\r\n`;
  }
  return Buffer.from(text);
}

export function csvLine(texts: readonly string[]): string {
  return `${texts.map((text) => csvCell('text', text)).join(',')}\r\n`;
}

function csvCell(kind: ColumnKind, value: unknown): string {
  if (value === null || value === undefined) return '';
  if (kind === 'json' || kind === 'list') return quoted(JSON.stringify(value));
  if (typeof value === 'string') return value === '' ? '""' : quoted(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return JSON.stringify(value);
}

/** Also with spaces at an end, which some readers drop. */
const needsQuotes = /[",\r\n]|^\s|\s$/;

function quoted(text: string): string {
  return needsQuotes.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
