import { type Column, columnKind, type FeatureContract, type FeatureKind } from '../../hook/hook.ts';

/** The type of a column in its feature table. An array literal of `RowChunk` is cast to an array of it. */
export function columnSqlType(
  column: Pick<Column, 'json_type' | 'format'>,
  contract: Pick<FeatureContract, 'open_text'> = {},
): ColumnSqlType {
  return sqlTypes[columnKind(column, contract)];
}

export type ColumnSqlType = (typeof sqlTypes)[FeatureKind];

const sqlTypes = {
  double: 'double precision',
  integer: 'bigint',
  boolean: 'boolean',
  json: 'json',
  text: 'text',
  time: 'timestamp with time zone',
  date: 'date',
  uuid: 'uuid',
} as const satisfies Readonly<Record<FeatureKind, string>>;
