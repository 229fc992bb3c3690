import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { emptyText, readCell } from '@osa/core/record/cell';
import type { FieldDefinition } from '@osa/core/record/schema';
import { cut, excerpt } from '@osa/core/text';
import { counted } from '../terminal/format.ts';
import { type Choices, type Columns, chooseColumns, type Numbering, publishedNames } from './columns.ts';
import { type CellValue, RowCheck, type Wanted } from './row-check.ts';
import { leastCells, type Row, readRows } from './table.ts';

export interface Tabular {
  readonly wanted: Wanted;
  readonly choices: Choices;
  readonly separator: string;
  readonly numbers: Numbering;
}

/**
 * Each row of a table as a record in NDJSON, on the line on which the row begins. A cell that does not fit makes the record
 * invalid, with its place and value.
 *
 * @throws OsaError `usage` for a header that does not fit the schema, and for decimal commas
 */
export async function* tableRecords(
  name: string,
  text: AsyncIterable<string>,
  { wanted, choices, separator, numbers }: Tabular,
): AsyncGenerator<string> {
  let header: readonly string[] | undefined;
  let columns: Columns<FieldDefinition> = { fields: [], id: undefined };
  const check = new RowCheck(wanted);
  let least = 0;
  let written = 0;
  for await (const row of readRows(name, text, separator)) {
    if (header === undefined) {
      header = row.cells.map((title) => title.trim());
      columns = chooseColumns(name, header, { fields: wanted.fields, choices });
      if (!choices.fill) least = leastCells(header);
      continue;
    }
    const padding = '\n'.repeat(Math.max(0, row.line - 1 - written));
    written += padding.length + 1;
    yield `${padding}${recordOf(name, row, { header, columns, least, separator, numbers, check })}\n`;
  }
}

interface Reading {
  readonly header: readonly string[];
  readonly columns: Columns<FieldDefinition>;
  /** Cells that a row has at least. */
  readonly least: number;
  readonly separator: string;
  readonly numbers: Numbering;
  readonly check: RowCheck;
}

function recordOf(
  name: string,
  { cells, line }: Row,
  { header, columns, least, separator, numbers, check }: Reading,
): string {
  const members: string[] = [];
  const problems: string[] = [];
  const values: CellValue[] = [];
  for (const [index, field] of columns.fields.entries()) {
    if (!field) continue;
    const cell = readCell(field, cells[index] ?? '');
    if (cell?.problem === undefined) values.push({ field, title: header[index] ?? '', json: cell?.json });
    if (!cell) continue;
    members.push(`${JSON.stringify(field.name)}:${cell.json}`);
    if (cell.problem === undefined) continue;
    const problem = `column ${excerpt(header[index])}: ${cell.problem}`;
    if (cell.isDecimalComma && separator === ';') throw decimalCommas(name, line, problem);
    problems.push(problem);
  }
  problems.push(...check.reasons(values));
  if (cells.slice(header.length).some((cell) => cell !== '' && cell !== emptyText)) {
    problems.push(`has ${cells.length} cells, and the header ${header.length}`);
  }
  if (cells.length < least) {
    const has = `has ${counted(cells.length, 'cell')}, and the header ${header.length}`;
    problems.unshift(`${has} (--fill takes the others as empty)`);
  }
  const id = columns.id === undefined ? numbers.next() : idOf(cells[columns.id] ?? '', header);
  const problem = cut(`${name} line ${line}: ${problems.join('; ')}`, bounds.reasonLength);
  const said = problems.length === 0 ? '' : `,"problem":${JSON.stringify(problem)}`;
  return `{"source_id":${JSON.stringify(id)},"metadata":{${members.join(',')}}${said}}`;
}

/** Published ids are kept as they are; in other tables spaces around them are not meant. */
function idOf(cell: string, header: readonly string[]): string {
  return publishedNames.every((name) => header.includes(name)) ? cell : cell.replaceAll(emptyText, '').trim();
}

/** All of the file has them, and reading one as another number would be worse than none. */
function decimalCommas(name: string, line: number, problem: string): OsaError {
  return new OsaError(
    'usage',
    `${name} line ${line}, ${problem}. The cells are separated by ; and numbers have decimal commas, as a spreadsheet in ` +
      'such a language writes them: set its language for numbers to English, and save the file again',
    { details: { line } },
  );
}
