import type { Place } from '../../data/dataset.ts';
import type { SortKey } from '../../data/sort.ts';
import type { Sql } from '../connection/connect.ts';
import { type ColumnSql, typeOf } from './condition.ts';
import { type Fragment, joined } from './visible.ts';

/** Orders by several columns, with absent values last, and the places in them. */

/** The number of characters of a text that count for the order, so that a place in it stays small. */
const sortedCharacters = 200;

/** `, … as k0, … as k1`, the values that are sorted by. */
export function keyColumns(sql: Sql, keys: readonly SortKey[], columns: ColumnSql): Fragment {
  const named = keys.map(({ column }, index) => {
    const value = columns(column);
    const own = column.kind === 'text' ? sql`left(${value}, ${sortedCharacters}) collate "C"` : value;
    return sql`, ${own} as ${sql(`k${index}`)}`;
  });
  return joined(sql, named, sql``, sql``);
}

/** The values of `keyColumns` as an array of texts, for places. */
export function keyTexts(sql: Sql, keys: readonly SortKey[]): Fragment {
  const texts = keys.map((_, index) => sql`${sql(`k${index}`)}::text`);
  // Sent as JSON, since the driver reads a null of an array as text.
  return sql`to_json(array[${joined(sql, texts, sql`, `, sql``)}]::text[])`;
}

export function orderSql(sql: Sql, keys: readonly SortKey[], key: SortKeyOfRow): Fragment {
  const parts = keys.map(
    ({ descending }, index) => sql`${sql(`k${index}`)} ${direction(sql, descending)} nulls last`,
  );
  return joined(sql, [...parts, sql`${key.column} ${direction(sql, key.descending)}`], sql`, `, sql``);
}

/** The row's own key, which decides between rows of the same values. */
export interface SortKeyOfRow {
  readonly column: Fragment;
  readonly type: string;
  readonly descending: boolean;
}

/** The rows behind `place`. */
export function behindSql(
  sql: Sql,
  keys: readonly SortKey[],
  { key, place }: { readonly key: SortKeyOfRow; readonly place: Place },
): Fragment {
  const last = sql`${key.column} ${sign(sql, key.descending)} ${place.id}::text::${sql.unsafe(key.type)}`;
  return keys.reduceRight<Fragment>((behind, { column, descending }, index) => {
    const own = sql(`k${index}`);
    const text = place.k[index];
    if (text === undefined || text === null) return sql`(${own} is null and ${behind})`;
    const value = sql`${text}::text::${typeOf(sql, column.kind)}`;
    return sql`(${own} ${sign(sql, descending)} ${value} or ${own} is null or (${own} = ${value} and ${behind}))`;
  }, last);
}

const direction = (sql: Sql, descending: boolean) => (descending ? sql`desc` : sql`asc`);
const sign = (sql: Sql, descending: boolean) => (descending ? sql`<` : sql`>`);
