import { numberProblem } from '../json/number.ts';
import { excerpt } from '../text.ts';
import type { FieldDefinition } from './schema.ts';

export type Field = Pick<FieldDefinition, 'name' | 'type' | 'cardinality' | 'required'>;

/** Stands for a text of no characters; an empty cell is an absent value. No text may have this character. */
export const emptyText = '\0';

/** A cell as the JSON of its field; where it does not fit, its text and what is wrong; nothing where it is empty. */
export type Cell =
  | { readonly json: string; readonly problem?: string; readonly isDecimalComma?: boolean }
  | undefined;

/**
 * Reads a cell as its field says: numbers keep their digits, and nothing is guessed. A cell that does not fit is passed
 * on as text, with the problem.
 */
export function readCell(field: Field, cell: string): Cell {
  if (cell === '') return undefined;
  if (cell === emptyText) return field.type === 'text' ? asText('') : undefined;
  if (field.cardinality === 'exactly_one') return readValue(field, cell);
  const trimmed = cell.trim();
  if (trimmed.startsWith('[')) {
    return isJson(trimmed)
      ? { json: trimmed }
      : { ...asText(cell), problem: `${excerpt(cell)} is not a JSON list` };
  }
  const value = readValue(field, cell);
  return value && { ...value, json: `[${value.json}]` };
}

function readValue({ type }: Field, cell: string): Cell {
  const trimmed = cell.trim();
  switch (type) {
    case 'number':
      return readNumber(trimmed);
    case 'boolean':
      return readBoolean(trimmed);
    case 'text':
      return asText(cell);
    default:
      return trimmed === '' ? undefined : asText(trimmed);
  }
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether a cell is a number as records have them. */
export function isNumber(cell: string): boolean {
  return jsonNumber.test(cell) && numberProblem(cell) === undefined;
}

function readNumber(cell: string): Cell {
  if (cell === '') return undefined;
  if (jsonNumber.test(cell)) {
    const problem = numberProblem(cell);
    return problem === undefined
      ? { json: cell }
      : { ...asText(cell), problem: `${excerpt(cell)} cannot be kept: ${problem}` };
  }
  const isDecimalComma =
    /^[+-]?(?:\d+|\d{1,3}(?:[. ]\d{3})+),\d+$/.test(cell) && !/^[+-]?[1-9]\d{0,2},\d{3}$/.test(cell);
  const problem = `${excerpt(cell)} is not a number${numberAdvice(cell, isDecimalComma)}`;
  return { ...asText(cell), problem, isDecimalComma };
}

function numberAdvice(cell: string, isDecimalComma: boolean): string {
  if (isDecimalComma) return ': it has a decimal comma; write 1.5';
  if (/^[+-]?\d{1,3}(?:[,' ]\d{3})+(?:\.\d+)?$/.test(cell))
    return ': write it without separators of thousands';
  if (/^[+-]?0\d/.test(cell)) return ': it has leading zeros';
  if (/^[+-]?\.?\d/.test(cell)) return '; write it as JSON does, such as 0.5 or 1.5e3, without a unit';
  if (/^(?:n\/?a|nan|null|none|-+|\?|inf(?:inity)?)$/i.test(cell))
    return '; leave the cell empty where there is none';
  return '';
}

const words = new Map([
  ...['true', 't', 'yes', 'y', '1'].map((word) => [word, 'true'] as const),
  ...['false', 'f', 'no', 'n', '0'].map((word) => [word, 'false'] as const),
]);

function readBoolean(cell: string): Cell {
  if (cell === '') return undefined;
  const json = words.get(cell.toLowerCase());
  if (json !== undefined) return { json };
  return {
    ...asText(cell),
    problem: `${excerpt(cell)} is not true or false (also t, f, yes, no, y, n, 1, 0)`,
  };
}

function asText(cell: string): { json: string } {
  return { json: JSON.stringify(cell) };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
