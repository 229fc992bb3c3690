import type { Condition, Predicate } from '../../data/filter.ts';
import type { ColumnKind, TableColumn } from '../../data/table.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import { type Fragment, joined } from './visible.ts';

/** SQL of filters and orders. Columns are fragments by their name; every value is bound. */

/** The SQL of a column's value: of its type, which is text for texts and JSON for lists and JSON. */
export type ColumnSql = (column: TableColumn) => Fragment;

export function conditionSql(sql: Sql, condition: Condition, columns: ColumnSql): Fragment {
  switch (condition.kind) {
    case 'predicate':
      return predicateSql(sql, condition, columns(condition.column));
    case 'not':
      return sql`not coalesce((${conditionSql(sql, condition.operand, columns)}), false)`;
    default: {
      const between = condition.kind === 'and' ? sql` and ` : sql` or `;
      const operands = condition.operands.map((operand) => sql`(${conditionSql(sql, operand, columns)})`);
      return joined(sql, operands, between, sql`true`);
    }
  }
}

const sqlTypes: Readonly<Record<ColumnKind, string>> = {
  text: 'text',
  decimal: 'numeric',
  double: 'double precision',
  integer: 'numeric',
  boolean: 'boolean',
  moment: 'timestamptz',
  time: 'timestamptz',
  date: 'date',
  uuid: 'uuid',
  list: 'text',
  json: 'text',
};

/** The type of a value of this kind, to be put behind `::`. */
export function typeOf(sql: Sql, kind: ColumnKind): Fragment {
  return sql.unsafe(sqlTypes[kind]) as unknown as Fragment;
}

function predicateSql(sql: Sql, { column, op, values }: Predicate, given: Fragment): Fragment {
  const { kind } = column;
  const isJson = kind === 'json' || kind === 'list';
  // JSON is compared as text, which is null for a JSON null.
  const own = isJson ? sql`(${given} #>> '{}')` : kind === 'text' ? sql`(${given} collate "C")` : given;
  const [first = ''] = values;
  const value = sql`${first}::text::${typeOf(sql, kind)}`;
  switch (op) {
    case 'is_null':
      return first === 'true' ? sql`${own} is null` : sql`${own} is not null`;
    case 'contains':
      return kind === 'list'
        ? elementSql(sql, given, { kind: column.element ?? 'text', value: first })
        : sql`strpos(lower(${own}), lower(${first}::text)) > 0`;
    case 'in':
      return sql`${own} = any (${arrayText(values)}::text::${typeOf(sql, kind)}[])`;
    case 'neq':
      return sql`${own} is distinct from ${value}`;
    default:
      return sql`${own} ${sql.unsafe(signs[op])} ${value}`;
  }
}

const signs = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/** Whether one of a list's elements is the value. */
function elementSql(
  sql: Sql,
  list: Fragment,
  { kind, value }: { readonly kind: ColumnKind; readonly value: string },
): Fragment {
  const type = typeOf(sql, kind);
  return sql`exists (
    select from json_array_elements_text(case json_typeof(${list}) when 'array' then ${list} end) as element (text)
    where element.text::${type} = ${value}::text::${type})`;
}
