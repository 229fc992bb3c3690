import type { FeatureContract } from '../../../hook/hook.ts';
import type { Cells, HeldPart, RowRange, StoredRow } from '../../../recompute/replay/replays.ts';
import type { RowChunk } from '../../../run/output/judgement.ts';
import { arrayText } from '../../array.ts';
import type { Sql } from '../../connection/connect.ts';
import { columnSqlType } from '../../registry/column-type.ts';

/**
 * Values as JSON texts. PostgreSQL spells two doubles alike only if they are the same, `-0` and `0` apart, and `json` keeps its
 * text. Stored and made values are spelled by the same expression.
 */
function cellsOf({ columns }: FeatureContract): string {
  // Column names have passed the contract's pattern, which leaves nothing to quote.
  const cells = columns.map(({ name }) => `to_json(v."${name}")::text`).join(', ');
  return `to_json(array[${cells}]::text[])::text`;
}

export async function storedRows(
  sql: Sql,
  { hook, feature }: Pick<HeldPart, 'hook' | 'feature'>,
  ranges: readonly RowRange[],
): Promise<readonly StoredRow[]> {
  const rows = await sql.unsafe<{ id: string; outcome: string; ordinal: number; cells: string }[]>(
    `select v.id, v.outcome_id as outcome, v.ordinal, ${cellsOf(feature)} as cells
     from unnest($1::text::bigint[], $2::text::integer[], $3::text::integer[]) as w (outcome, first, last)
     cross join lateral (
       select * from features."${hook}" where outcome_id = w.outcome and ordinal between w.first and w.last
       order by ordinal offset 0) v`,
    [
      arrayText(ranges.map(({ outcome }) => outcome)),
      arrayText(ranges.map(({ first }) => first)),
      arrayText(ranges.map(({ last }) => last)),
    ],
    { prepare: true },
  );
  return rows.map(({ cells, ...row }) => ({ ...row, cells: JSON.parse(cells) as Cells }));
}

export async function madeRows(
  sql: Sql,
  { feature }: Pick<HeldPart, 'feature'>,
  { columns, rowCount }: RowChunk,
): Promise<readonly Cells[]> {
  if (feature.columns.length === 0) return Array.from({ length: rowCount }, () => []);
  const list = feature.columns
    .map(
      (column, index) =>
        `unnest($${index + 1}::text::${columnSqlType(column, feature)}[]) as "${column.name}"`,
    )
    .join(', ');
  const rows = await sql.unsafe<{ cells: string }[]>(
    `select ${cellsOf(feature)} as cells from (select ${list}) v`,
    [...columns],
    { prepare: true },
  );
  return rows.map(({ cells }) => JSON.parse(cells) as Cells);
}
