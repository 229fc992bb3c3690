import type { Answer } from '../api/index.ts';
import { parseExactJson } from '../json/exact.ts';
import { type Field, readCell } from '../record/cell.ts';
import { suggest } from '../suggest.ts';
import { excerpt } from '../text.ts';
import type { Sheet, SheetCell } from './spreadsheet/read.ts';

type Filled = Answer<'fillDeposition'>['parse_result'];
type Told = Filled['errors'][number];

/** Reads a filled sheet: names in its first row, values in its third one. Nothing is guessed. */
export function filledFields({ rows, hasMore, since1904 }: Sheet, fields: readonly Field[]): Filled {
  const [names = new Map(), , values = new Map()] = rows;
  const metadata: Record<string, unknown> = {};
  const [warnings, errors]: [string[], Told[]] = [[], []];
  const seen = new Set<string>();
  for (const [column, heading] of names as ReadonlyMap<number, SheetCell>) {
    const name = heading.text.trim();
    const field = fields.find((one) => one.name === name);
    if (!field) errors.push({ field: name, message: unknownField(name, fields) });
    else if (seen.has(name)) errors.push({ field: name, message: `${name}: two columns have this name` });
    const cell: SheetCell | undefined = values.get(column);
    if (!field || seen.has(name)) continue;
    seen.add(name);
    if (!cell) continue;
    if (cell.isFormula) warnings.push(`${name}: it is a formula; the value that was last computed is taken`);
    const read = readValue(field, cell, since1904);
    if (typeof read === 'string') errors.push({ field: name, message: `${name}: ${read}` });
    else if (read) metadata[name] = read.value;
  }
  for (const column of (values as ReadonlyMap<number, SheetCell>).keys()) {
    if (!names.has(column))
      warnings.push(`column ${column + 1} has a value and no name in the first row; it is left out`);
  }
  if (seen.size === 0 && errors.length === 0) {
    errors.push({ field: null, message: 'the first row names no field; fill in the template' });
  }
  if (hasMore) warnings.push('a deposition is one record: rows after the third one are left out');
  return { metadata, warnings, errors };
}

/** The value, nothing where there is none, or what is wrong. */
function readValue(
  field: Field,
  cell: SheetCell,
  since1904: boolean,
): { value: unknown } | string | undefined {
  if (cell.kind === 'error') return `the cell shows the error ${excerpt(cell.text)}`;
  if (cell.isFormula && cell.text === '')
    return 'the cell has a formula that was never computed; write the value';
  const text = textOf(field, cell, since1904);
  if (text === undefined)
    return `${excerpt(cell.text)} is not ${field.type === 'date' ? 'a date' : 'a number'}`;
  const read = readCell(field, text);
  if (read?.problem !== undefined) return read.problem;
  return read && { value: parseExactJson(read.json) };
}

/** A cell as somebody would write it into a table of text. */
function textOf({ type }: Field, { kind, text }: SheetCell, since1904: boolean): string | undefined {
  if (kind === 'boolean') return type === 'number' ? undefined : text === '1' ? 'true' : 'false';
  if (kind !== 'number') return text;
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) return undefined;
  return type === 'date' ? dayOf(number, since1904) : JSON.stringify(number);
}

const dayMs = 86_400_000;
/** Spreadsheets say that 1900 was a leap year, and it was not: days before its March are not taken. */
const [firstDay, lastDay] = [61, 2_958_465];

function dayOf(days: number, since1904: boolean): string | undefined {
  const counted = since1904 ? days + 1_462 : days;
  if (!Number.isInteger(counted) || counted < firstDay || counted > lastDay) return undefined;
  return new Date(Date.UTC(1899, 11, 30) + counted * dayMs).toISOString().slice(0, 10);
}

function unknownField(name: string, fields: readonly Field[]): string {
  const near = suggest(
    name,
    fields.map((one) => one.name),
  );
  const next = near === undefined ? 'take the names of the template' : `did you mean ${near}?`;
  return `the first row has ${excerpt(name)}, and the schema has no such field; ${next}`;
}
