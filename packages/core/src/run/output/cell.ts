import { quoteElement } from '../../array-literal.ts';
import { isDate, isDateTime, isWithinMicroseconds } from '../../calendar.ts';
import { type Column, type FeatureContract, isOpenColumn } from '../../hook/hook.ts';
import type { JsonCursor } from '../../json/cursor.ts';
import { spellNumbers } from '../../json/decimal.ts';
import { asInt64, isKeptByDouble } from '../../json/number.ts';

/**
 * How the values of one column are read. Nothing is coerced, and nothing is rounded:
 *
 * - number: the nearest double. An integer without fraction and exponent must be exact, or be the shortest form of its double,
 *   as JSON writers print it. `-0` stays.
 * - integer: any JSON number whose exact value is an integer of 64 bits with sign, so `1.0` and `1e2` are 1 and 100;
 *   `-0` is 0.
 * - array, object, and any value of an open column: their source text, with each number in its one spelling.
 * - date-time: with offset and at most microseconds; date and date-time must exist in the calendar.
 */
export interface Cell {
  /** The rule for a value, as the end of a sentence. */
  readonly rule: string;
  /** The next value as an element of an array literal; undefined, with the value passed, when it breaks the rule. */
  read(cursor: JsonCursor): string | undefined;
}

export function cellOf(
  { json_type, format }: Pick<Column, 'json_type' | 'format'>,
  { open_text }: Pick<FeatureContract, 'open_text'> = {},
): Cell {
  if (open_text && isOpenColumn({ json_type, format })) return anyCell;
  return json_type === 'string' && format ? formatCells[format] : typeCells[json_type];
}

const typeCells: Readonly<Record<Column['json_type'], Cell>> = {
  string: stringCell('must be a string', () => true),
  number: numberCell(
    'must be a number that a double holds; an integer of more digits needs a column of type integer or string',
    (text) => (isKeptByDouble(text) ? text : undefined),
  ),
  integer: numberCell('must be an integer from -2^63 to 2^63-1', asInt64),
  boolean: {
    rule: 'must be true or false',
    read: (cursor) => (cursor.kind() === 'boolean' ? `${cursor.boolean()}` : pass(cursor)),
  },
  array: sourceCell('array', 'must be an array'),
  object: sourceCell('object', 'must be an object'),
};

const formatCells: Readonly<Record<NonNullable<Column['format']>, Cell>> = {
  date: stringCell('must be a date that exists, such as "2026-01-31"', isDate),
  'date-time': stringCell(
    'must be a time that exists, with offset and at most microseconds, such as "2026-01-31T12:00:00Z"',
    (text) => isDateTime(text) && isWithinMicroseconds(text),
  ),
  uuid: stringCell('must be a UUID such as "018f6b1e-7c3a-7d2b-9c4e-5f60718293a4"', (text) =>
    /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i.test(text),
  ),
};

function stringCell(rule: string, accepts: (text: string) => boolean): Cell {
  const read = (cursor: JsonCursor) => {
    if (cursor.kind() !== 'string') return pass(cursor);
    const text = cursor.string();
    return accepts(text) ? quoteElement(text) : undefined;
  };
  return { rule, read };
}

function numberCell(rule: string, element: (text: string) => string | undefined): Cell {
  return { rule, read: (cursor) => (cursor.kind() === 'number' ? element(cursor.number()) : pass(cursor)) };
}

function sourceCell(kind: 'array' | 'object', rule: string): Cell {
  return {
    rule,
    read: (cursor) => (cursor.kind() === kind ? quoteElement(spellNumbers(cursor.raw())) : pass(cursor)),
  };
}

/** Any JSON value; the database keeps it as such, so a number stays one. */
const anyCell: Cell = { rule: 'must be JSON', read: (cursor) => quoteElement(spellNumbers(cursor.raw())) };

function pass(cursor: JsonCursor): undefined {
  cursor.value();
}
