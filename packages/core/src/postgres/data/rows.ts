import type { Selection } from '../../data/dataset.ts';
import type { Condition } from '../../data/filter.ts';
import type { TableColumn } from '../../data/table.ts';
import type { Sql } from '../connection/connect.ts';
import { conditionSql } from './condition.ts';
import { pinnedRows } from './pins.ts';
import { type Fragment, isNewest, isOfSchema, isStanding, joined } from './visible.ts';
import type { Source } from './walk.ts';

/**
 * The rows of a hook as a table. A page walks the feature table by id and looks each row's story up by key. The `offset 0`
 * keeps it so: on a table without statistics the planner would rather read the table once for each record.
 */
export function rowSource(sql: Sql, selection: Selection): Source {
  const { table, of, condition, order, release } = selection;
  const columns = (column: TableColumn) => rowColumn(sql, column);
  const feature = sql(`features.${table.name}`);
  const pinned = pinnedRows(sql, condition, { hook: table.name, convention: of.convention });
  const from = pinned
    ? sql`(${pinned}) pin cross join lateral (select * from ${feature} where id = pin.id offset 0) f`
    : sql`${feature} f`;
  const direction = order.descending ? sql`desc` : sql`asc`;
  const opposite = order.descending ? sql`asc` : sql`desc`;
  const sign = order.descending ? sql`<` : sql`>`;
  const placed = sql`f.id::text as id, array[]::text[] as k`;
  const used = joined(
    sql,
    searchedColumns(condition).map((name) => sql`, f.${sql(name)}`),
    sql``,
    sql``,
  );
  const visible = sql`${isVisible(sql, selection)}
    and ${release === undefined ? sql`true` : sql`run.version = ${release}`}
    and (${condition ? conditionSql(sql, condition, columns) : sql`true`})`;
  return {
    key: { column: sql`f.id`, type: 'bigint' },
    columns,
    isPinned: pinned !== undefined,
    scanned: (after, window) => sql`
      select f.id, f.outcome_id, f.run_id${used} from ${from}
      where ${after ? sql`f.id ${sign} ${after.id}::text::bigint` : sql`true`}
      order by f.id ${direction} limit ${window}`,
    found: (most) => sql`
      select ${placed} from scanned f ${story(sql)} where ${visible} order by f.id ${direction} limit ${most}`,
    last: () => sql`select ${placed} from scanned f order by f.id ${opposite} limit 1`,
    matching: () => sql`${from} ${story(sql)} where ${visible}`,
  };
}

/** Whether a row with the outcome `o`, run `run` and record `r` is one of the selection, whatever its values. */
export function isVisible(sql: Sql, selection: Selection): Fragment {
  const { asOf, history } = selection;
  return sql`${isOfSchema(sql, selection)} and r.published_at <= ${asOf}::text::timestamptz
    and run.current_from <= ${asOf}::text::timestamptz
    and ${history ? sql`true` : sql`${isStanding(sql, asOf)} and ${isNewest(sql, asOf)}`}`;
}

/** From a row `f` to its outcome `o`, run `run` and record `r`. */
export function story(sql: Sql): Fragment {
  return sql`
    cross join lateral (select batch_record, superseded_by from outcomes where id = f.outcome_id offset 0) o
    cross join lateral (
      select hook, version, finished_at, coalesce(current_from, finished_at) as current_from
      from runs where id = f.run_id offset 0) run
    cross join lateral (
      select srn, record_id, convention, source_id, version, schema_id, schema_version, published_at
      from published where batch_record = o.batch_record offset 0) r`;
}

export function rowColumn(sql: Sql, { name, path }: TableColumn): Fragment {
  if (path.startsWith('features.')) return sql`f.${sql(name)}`;
  switch (name) {
    case 'record_srn':
      return sql`r.srn`;
    case 'record_source_id':
      return sql`r.source_id`;
    case 'release':
      return sql`run.version`;
    case 'created_at':
      return sql`run.finished_at`;
    default:
      return sql`f.${sql(name)}`;
  }
}

/** The columns of the contract that a filter looks at. */
function searchedColumns(condition: Condition | undefined): string[] {
  const found = new Set<string>();
  const visit = (part: Condition): void => {
    if (part.kind === 'predicate') {
      if (part.column.path.startsWith('features.')) found.add(part.column.name);
    } else if (part.kind === 'not') visit(part.operand);
    else for (const operand of part.operands) visit(operand);
  };
  if (condition) visit(condition);
  return [...found];
}

/** The declared columns of a whole feature row, in the contract's order. */
export function rowValues(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { id: _id, outcome_id: _outcome, run_id: _run, ordinal: _ordinal, ...values } = row;
  return values;
}
