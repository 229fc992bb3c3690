import { isRawNumber } from '../../json/raw.ts';
import type { TableColumn, TableRow } from '../table.ts';

/** The digits of numbers that no double keeps, in formats whose numbers are doubles. */

/** The metadata of a Parquet file with them, as `{column: {row: digits}}`, rows from 0. */
export const exactKey = 'osa.exact';

/** The column of an Arrow stream with them, as `{column: number}`; no field has a name that begins like this. */
export const exactColumn: TableColumn = {
  name: '_exact',
  path: '_exact',
  kind: 'json',
  type: 'object',
  isSearchable: false,
};

/** Those of a row in these columns, as JSON; null where there are none, which is usual. */
export function exactText(columns: readonly string[], row: TableRow): string | null {
  const exact = columns.map((name) => [name, row[name]]).filter(([, value]) => isRawNumber(value));
  return exact.length === 0 ? null : JSON.stringify(Object.fromEntries(exact));
}
