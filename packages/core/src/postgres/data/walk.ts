import type { Place, Selection } from '../../data/dataset.ts';
import { OsaError } from '../../error.ts';
import { bounds } from '../../limits.ts';
import type { Sql } from '../connection/connect.ts';
import { planAnew } from '../connection/statement.ts';
import type { ColumnSql } from './condition.ts';
import { behindSql, keyColumns, keyTexts, orderSql, type SortKeyOfRow } from './order.ts';
import type { Fragment } from './visible.ts';

/** Finds the keys of the rows of a page, without their values. */

export interface Keys {
  readonly places: readonly Place[];
  /** Where to go on behind them, if not all was looked at. */
  readonly end: Place | undefined;
}

/** How a table is read: its statements are parts of the ones here. */
export interface Source {
  readonly key: Omit<SortKeyOfRow, 'descending'>;
  /** Whether an index leaves only what the filter names. */
  readonly isPinned: boolean;
  /** Columns in filters and orders, of what `matching` reads. */
  readonly columns: ColumnSql;
  /**
   * The next `window` stored rows behind a place, in stored order and whatever they are: their `id`, `k` (the place's values)
   * and what `found` needs.
   */
  scanned(after: Place | undefined, window: number): Fragment;
  /** The rows of `scanned` that fit the selection: `id` and `k`, `most` at most, in stored order. */
  found(most: number): Fragment;
  /** `id` and `k` of the last one of `scanned`. */
  last(): Fragment;
  /** All rows of the selection, from which `key` and the columns can be selected. */
  matching(): Fragment;
}

/** Stored rows that one statement looks at. */
const widest = 20_000;
/** How long a filter may look for the rows of a page; then the page is shorter. */
export const searchMs = 3_000;

type Found = { id: string; k: string[]; kind: 'found' | 'last'; seen: number };

/** In stored order: a window of stored rows after another, so that each statement is short, whatever the filter. */
export async function walk(
  sql: Sql,
  source: Source,
  { selection, after: start, count }: { selection: Selection; after: Place | undefined; count: number },
): Promise<Keys> {
  const places: Place[] = [];
  const begun = performance.now();
  const isFiltered = selection.condition !== undefined || selection.release !== undefined;
  const run = <T extends readonly object[]>(query: ReturnType<typeof sql<T>>) =>
    selection.condition ? planAnew(query) : query;
  let window = Math.min(widest, isFiltered ? Math.max(count, 1_000) : count);
  for (let after = start; ; ) {
    const wanted = count - places.length;
    const rows = await run(sql<Found[]>`
      with scanned as materialized (${source.scanned(after, window)})
      select *, (select count(*)::integer from scanned) as seen from (
        select id, k, 'found' as kind, row_number() over () as n from (${source.found(wanted)}) f
        union all
        select id, k, 'last', 0 from (${source.last()}) l
      ) found_or_last order by kind, n`);
    const found = rows.filter(({ kind }) => kind === 'found');
    places.push(...found.map(({ id, k }) => ({ id, k })));
    const last = rows.find(({ kind }) => kind === 'last');
    if (places.length >= count || !last || last.seen < window) return { places, end: undefined };
    after = { id: last.id, k: last.k };
    if (performance.now() - begun > searchMs) return { places, end: after };
    window = Math.min(widest, window * 4);
  }
}

/**
 * In any other order. All rows that match are looked at for each page, so their number is bounded.
 *
 * @throws OsaError `invalid`
 */
export async function sorted(
  sql: Sql,
  source: Source,
  { selection, after, count }: { selection: Selection; after: Place | undefined; count: number },
): Promise<Keys> {
  const { keys, descending } = selection.order;
  const key = { ...source.key, descending };
  const own = { ...key, column: sql`id` };
  if (!source.isPinned) await requireAffordable(sql, source, selection);
  const rows = await planAnew(sql<{ id: string; k: string[]; matched: number }[]>`
    with matching as materialized (
      select ${source.key.column} as id${keyColumns(sql, keys, source.columns)}
      from ${source.matching()}
      limit ${bounds.sortedRows + 1})
    select id::text as id, ${keyTexts(sql, keys)} as k, (select count(*)::integer from matching) as matched
    from matching
    where ${after === undefined ? sql`true` : behindSql(sql, keys, { key: own, place: after })}
    order by ${orderSql(sql, keys, own)}
    limit ${count}`);
  if ((rows[0]?.matched ?? 0) > bounds.sortedRows) throw tooManyToSort(selection);
  return { places: rows.map(({ id, k }) => ({ id, k })), end: undefined };
}

/**
 * All rows of the table would be looked at, so the query is refused before it is tried. The cost that the planner
 * expects for the most rows that may be sorted is far below the bound, and without statistics it expects less.
 *
 * @throws OsaError `invalid`
 */
async function requireAffordable(sql: Sql, source: Source, selection: Selection): Promise<void> {
  const [row] = await planAnew(sql<{ 'QUERY PLAN': readonly [{ Plan: { 'Total Cost': number } }] }[]>`
    explain (format json) select from ${source.matching()}`);
  const cost = row?.['QUERY PLAN'][0].Plan['Total Cost'] ?? 0;
  if (cost > bounds.sortCost) throw tooManyToSort(selection);
}

function tooManyToSort({ table }: Selection): OsaError {
  const isRecords = table.kind === 'records';
  const stored = isRecords ? 'created_at' : 'id';
  const narrowing = isRecords ? 'source_id, srn or created_at' : 'record_source_id, record_srn, run_id or id';
  return new OsaError(
    'invalid',
    `sort: more than ${bounds.sortedRows.toLocaleString('en')} rows would have to be looked at, too many to sort; narrow the filter by ${narrowing}, or sort by ${stored}, in which order they are stored`,
    { field: 'sort', details: { limit: bounds.sortedRows } },
  );
}
