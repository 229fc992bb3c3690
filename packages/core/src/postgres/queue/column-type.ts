import { type Column, type FeatureContract, isOpenColumn } from '../../hook/hook.ts';

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
export function columnSqlType(
  { json_type, format }: Pick<Column, 'json_type' | 'format'>,
  { open_text }: Pick<FeatureContract, 'open_text'> = {},
): ColumnSqlType {
  if (open_text && isOpenColumn({ json_type, format })) return 'json';
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
