import { isDate, isDateTime, isOffsetInUse } from '../calendar.ts';
import { OsaError } from '../error.ts';
import { isJsonObject, isRawNumber, type RawNumber } from '../json/raw.ts';
import { bounds } from '../limits.ts';
import { suggest } from '../suggest.ts';
import { excerpt } from '../text.ts';
import type { ColumnKind, Table, TableColumn } from './table.ts';

/** Filters as clients send them, checked against the columns of a table. */

export const operators = [
  ...(['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'in', 'contains', 'is_null'] as const),
] as const;
export type Operator = (typeof operators)[number];

/** A filter whose columns are there and whose values fit them. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Condition[] }
  | { readonly kind: 'not'; readonly operand: Condition }
  | Predicate;

export interface Predicate {
  readonly kind: 'predicate';
  readonly column: TableColumn;
  readonly op: Operator;
  /** The value as text that the database reads: one, or the list of `in`. For `is_null` it is `true` or `false`. */
  readonly values: readonly string[];
}

const ordered: readonly Operator[] = ['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'in', 'is_null'];
const plain: readonly Operator[] = ['eq', 'neq', 'in', 'is_null'];
const textual: readonly Operator[] = [...ordered.slice(0, -1), 'contains', 'is_null'];

/** The operators that a column takes. */
export const operatorsOf: Readonly<Record<ColumnKind, readonly Operator[]>> = {
  text: textual,
  decimal: ordered,
  double: ordered,
  integer: ordered,
  moment: ordered,
  time: ordered,
  date: ordered,
  boolean: plain,
  uuid: plain,
  list: ['contains', 'is_null'],
  json: ['eq', 'neq', 'in', 'contains', 'is_null'],
};

/** @throws OsaError `invalid` with the place of what does not fit, and what would */
export function checkFilter(table: Table, filter: unknown): Condition {
  const reading = { table, predicates: 0 };
  return readCondition(reading, filter, { path: 'filter', depth: 1 });
}

interface Reading {
  readonly table: Table;
  predicates: number;
}

interface Place {
  readonly path: string;
  readonly depth: number;
}

function readCondition(reading: Reading, given: unknown, { path, depth }: Place): Condition {
  if (depth > bounds.filterDepth) {
    throw refusal(path, `filters are nested ${bounds.filterDepth} deep at most; flatten this one`);
  }
  if (!isJsonObject(given)) throw refusal(path, `${excerpt(given)} is not a filter, which is an object`);
  const inside = (part: string) => ({ path: `${path}.${part}`, depth: depth + 1 });
  switch (given.kind) {
    case 'and':
    case 'or': {
      requireKeys(given, path, ['kind', 'operands']);
      const { kind, operands } = given;
      if (!Array.isArray(operands) || operands.length < 2) {
        throw refusal(`${path}.operands`, `"${kind}" takes a list of two filters or more`);
      }
      const read = operands.map((operand, index) =>
        readCondition(reading, operand, inside(`operands[${index}]`)),
      );
      return { kind, operands: read };
    }
    case 'not':
      requireKeys(given, path, ['kind', 'operand']);
      return { kind: 'not', operand: readCondition(reading, given.operand, inside('operand')) };
    case 'predicate':
      requireKeys(given, path, ['kind', 'field', 'op', 'value']);
      return readPredicate(reading, given, path);
    default:
      throw refusal(`${path}.kind`, `${excerpt(given.kind)} is not one of predicate, and, or, not`);
  }
}

function requireKeys(given: object, path: string, known: readonly string[]): void {
  const stray = Object.keys(given).find((key) => !known.includes(key));
  if (stray === undefined) return;
  throw refusal(`${path}.${excerpt(stray).slice(1, -1)}`, `is not known here; known are ${known.join(', ')}`);
}

function readPredicate(reading: Reading, given: Readonly<Record<string, unknown>>, path: string): Predicate {
  reading.predicates += 1;
  if (reading.predicates > bounds.filterPredicates) {
    throw refusal(path, `a filter holds ${bounds.filterPredicates} predicates at most`);
  }
  const column = columnOf(reading.table, given.field, `${path}.field`);
  const op = operators.find((known) => known === given.op);
  const fitting = operatorsOf[column.kind];
  if (op === undefined || !fitting.includes(op)) {
    const what = op === undefined ? 'is not an operator' : `does not fit ${column.path} (${column.type})`;
    throw refusal(`${path}.op`, `${excerpt(given.op)} ${what}; ${fitting.join(', ')} do`, {
      operators: fitting,
    });
  }
  return { kind: 'predicate', column, op, values: valuesOf(column, op, given.value, `${path}.value`) };
}

/** `metadata.mass`, `{"path": "metadata", "field": "mass"}` or `{"path": "features", "hook", "column"}`. */
function columnOf(table: Table, given: unknown, path: string): TableColumn {
  const name = nameOf(given);
  if (name === undefined) {
    throw refusal(path, `${excerpt(given)} is not the name of a column, such as "${examplePath(table)}"`);
  }
  const column = table.columns.find(
    (known) => (known.path === name || known.name === name) && known.isSearchable,
  );
  if (column) return column;
  throw unknownColumn(table, name, path);
}

function nameOf(given: unknown): string | undefined {
  if (typeof given === 'string') return given;
  if (!isJsonObject(given)) return undefined;
  const { path, field, hook, column } = given;
  if (path === 'metadata' && typeof field === 'string') return `metadata.${field}`;
  const isFeature = path === 'features' && typeof hook === 'string' && typeof column === 'string';
  return isFeature ? `features.${hook}.${column}` : undefined;
}

/** @throws OsaError `invalid` always: which columns there are, and what this table does not take */
function unknownColumn(table: Table, name: string, path: string): OsaError {
  const own = table.kind === 'records' ? 'metadata.' : `features.${table.name}.`;
  const [family = ''] = name.split('.');
  if (name.includes('.') && !name.startsWith(own) && ['metadata', 'features'].includes(family)) {
    const what = table.kind === 'records' ? 'records are filtered' : `rows of ${table.name} are filtered`;
    return refusal(path, `${excerpt(name)}: ${what} by ${own}… and by their own columns only`);
  }
  const known = table.columns.filter((column) => column.isSearchable).map((column) => column.path);
  const near = name.includes('.') ? suggest(name, known) : suggest(`${own}${name}`, known);
  const hint = near === undefined ? `known are ${listed(known)}` : `did you mean ${near}?`;
  return refusal(path, `there is no column ${excerpt(name)}; ${hint}`);
}

function listed(names: readonly string[]): string {
  const most = 20;
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

function examplePath(table: Table): string {
  return table.columns.findLast((column) => column.isSearchable)?.path ?? 'id';
}

function valuesOf(column: TableColumn, op: Operator, value: unknown, path: string): string[] {
  if (op === 'is_null') {
    if (value === undefined || value === null || typeof value === 'boolean') return [String(value ?? true)];
    throw refusal(path, `${excerpt(value)}: is_null takes true or false`);
  }
  if (op === 'in') {
    if (!Array.isArray(value)) throw refusal(path, `${excerpt(value)}: "in" takes a list of values`);
    if (value.length > bounds.filterValues) {
      throw refusal(path, `"in" takes ${bounds.filterValues} values at most, and not ${value.length}`);
    }
    return value.map((item, index) => singleValue(column, column.kind, item, `${path}[${index}]`));
  }
  const kind = op === 'contains' ? (column.element ?? 'text') : column.kind;
  return [singleValue(column, kind, value, path)];
}

function singleValue({ path: name }: TableColumn, kind: ColumnKind, value: unknown, path: string): string {
  const { rule, read } = readers[kind];
  const text = read(value);
  if (text !== undefined) return text;
  throw refusal(path, `${value === undefined ? 'is missing' : excerpt(value)}: ${name} must be ${rule}`);
}

interface Reader {
  readonly rule: string;
  read(value: unknown): string | undefined;
}

const isNumber = (value: unknown): value is number | RawNumber =>
  isRawNumber(value) || (typeof value === 'number' && Number.isFinite(value));
const digits = (value: number | RawNumber) => (isRawNumber(value) ? value.rawJSON : String(value));
const textThat = (accepts: (text: string) => boolean) => (value: unknown) =>
  typeof value === 'string' && accepts(value) ? value : undefined;
const isStorable = (text: string) => text.isWellFormed() && !text.includes('\0');
const numeric: Reader = {
  rule: 'a number',
  read: (value) => (isNumber(value) && isNear(digits(value)) ? digits(value) : undefined),
};
const moment: Reader = {
  rule: 'a date such as "2026-01-31", or a time with offset such as "2026-01-31T12:00:00Z"',
  read: textThat((text) => isDate(text) || (isDateTime(text) && isOffsetInUse(text))),
};
const anyText: Reader = { rule: 'a text', read: textThat(isStorable) };

const readers: Readonly<Record<ColumnKind, Reader>> = {
  text: anyText,
  decimal: numeric,
  integer: numeric,
  double: {
    rule: 'a number that a double holds',
    read: (value) => (isNumber(value) && Number.isFinite(Number(digits(value))) ? digits(value) : undefined),
  },
  boolean: {
    rule: 'true or false',
    read: (value) => (typeof value === 'boolean' ? String(value) : undefined),
  },
  moment,
  time: moment,
  date: { rule: 'a date such as "2026-01-31"', read: textThat(isDate) },
  uuid: {
    rule: 'a UUID',
    read: textThat((text) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)),
  },
  list: anyText,
  json: anyText,
};

/** A numeric of the database holds it without thousands of zeros. */
function isNear(text: string): boolean {
  const [, exponent = '0'] = /[eE]([+-]?\d+)$/.exec(text) ?? [];
  return text.length <= bounds.numberLength && Math.abs(Number(exponent)) <= 1_000;
}

function refusal(field: string, message: string, details: Readonly<Record<string, unknown>> = {}): OsaError {
  return new OsaError('invalid', `${field}: ${message}`, { field, details });
}
