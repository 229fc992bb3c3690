import type { Column } from '../../hook/hook.ts';

export type ColumnSqlType =
  | 'double precision'
  | 'bigint'
  | 'text'
  | 'json'
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
      return 'json';
    case 'string':
      return format ? stringTypes[format] : 'text';
  }
}

const stringTypes = { 'date-time': 'timestamp with time zone', date: 'date', uuid: 'uuid' } as const;
