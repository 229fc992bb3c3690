import type { Column } from '../hook/hook.ts';

export type ColumnSqlType =
  | 'double precision'
  | 'bigint'
  | 'text'
  | 'jsonb'
  | 'boolean'
  | 'timestamp with time zone'
  | 'date'
  | 'uuid';

/** The type of a column in its feature table. An array literal of `RowChunk` is cast to an array of it. */
export function columnSqlType({ json_type, format }: Pick<Column, 'json_type' | 'format'>): ColumnSqlType {
  switch (json_type) {
    case 'number':
      return 'double precision';
    case 'integer':
      return 'bigint';
    case 'boolean':
      return 'boolean';
    case 'array':
    case 'object':
      return 'jsonb';
    case 'string':
      return format ? stringTypes[format] : 'text';
  }
}

const stringTypes = { 'date-time': 'timestamp with time zone', date: 'date', uuid: 'uuid' } as const;

/** The element of an array literal that is the SQL null; the text NULL is `"NULL"`, in quotes. */
export const nullElement = 'NULL';

/**
 * `text` as an element of an array literal. In quotes, a quote and a backslash are all that needs a backslash;
 * commas, braces, line ends and any other character stand for themselves (PostgreSQL manual, 8.15.6).
 */
export function quoteElement(text: string): string {
  return needsBackslash.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

const needsBackslash = /["\\]/;

/** The literal of a one-dimensional array; numbers and booleans are elements as they are. */
export function arrayLiteral(elements: readonly string[]): string {
  return `{${elements.join(',')}}`;
}

/** The elements of such a literal; null for the SQL null. */
export function readArrayLiteral(literal: string): (string | null)[] {
  const found: (string | null)[] = [];
  for (const [element, quoted] of literal.slice(1, -1).matchAll(elements)) {
    if (quoted !== undefined) found.push(quoted.replace(/\\(.)/gs, '$1'));
    else found.push(element === nullElement ? null : element);
  }
  return found;
}

const elements = /"((?:[^"\\]|\\.)*)"|[^,]+/gs;
