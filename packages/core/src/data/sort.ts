import { OsaError } from '../error.ts';
import { bounds } from '../limits.ts';
import { suggest } from '../suggest.ts';
import { excerpt } from '../text.ts';
import type { ColumnKind, Table, TableColumn } from './table.ts';

export interface SortKey {
  readonly column: TableColumn;
  readonly descending: boolean;
}

/** An order by columns, and then by the row's own key in the direction of the last one. Absent values come last. */
export interface Order {
  readonly keys: readonly SortKey[];
  readonly descending: boolean;
  /** Whether this is the order in which rows are stored: by their key, or records by their time. */
  readonly isStored: boolean;
}

const unsortable: readonly ColumnKind[] = ['list', 'json'];

/**
 * Reads `col[:asc|:desc],…`. Records come newest first by default, and rows by id.
 *
 * @throws OsaError `invalid`
 */
export function readOrder(table: Table, sort: string | undefined): Order {
  const isRecords = table.kind === 'records';
  const parts = sort === undefined ? [] : sort.split(',');
  if (parts.length > bounds.sortKeys) {
    throw refusal(`${parts.length} keys are more than the ${bounds.sortKeys} allowed`);
  }
  const keys = parts.map((part) => readKey(table, part.trim()));
  const [first] = keys;
  const twice = keys.find(({ column }, index) => keys.findIndex((key) => key.column === column) !== index);
  if (twice) throw refusal(`${twice.column.name} is there twice`);
  const descending = keys.at(-1)?.descending ?? isRecords;
  const stored = isRecords ? 'created_at' : 'id';
  const isStored = first === undefined || (keys.length === 1 && first.column.name === stored);
  // Behind the row's own key nothing is left to order.
  const own = isRecords ? -1 : keys.findIndex(({ column }) => column.name === 'id');
  if (isStored) return { keys: [], descending, isStored };
  if (own !== -1) return { keys: keys.slice(0, own), descending: keys[own]?.descending ?? false, isStored };
  return { keys, descending, isStored };
}

function readKey(table: Table, text: string): SortKey {
  const [, given = '', direction = 'asc'] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (direction !== 'asc' && direction !== 'desc') {
    throw refusal(
      `${excerpt(direction)} is not a direction; write ${excerpt(given).slice(1, -1)}:asc or :desc`,
    );
  }
  const isRecords = table.kind === 'records';
  const alias = isRecords && given === 'id' ? 'srn' : given === 'published_at' ? 'created_at' : given;
  const known = table.columns.filter(({ kind, isSearchable }) => isSearchable && !unsortable.includes(kind));
  const column = known.find(({ name, path }) => name === alias || path === alias);
  if (column) return { column, descending: direction === 'desc' };
  if (table.columns.some(({ name }) => name === alias)) {
    throw refusal(`${given} cannot be sorted by; ${listed(known)} can`);
  }
  const near = suggest(
    given,
    known.map(({ name }) => name),
  );
  throw refusal(
    `there is no column ${excerpt(given)}${near === undefined ? `; sort by ${listed(known)}` : `; did you mean ${near}?`}`,
  );
}

function listed(columns: readonly TableColumn[]): string {
  const names = columns.slice(0, 20).map(({ name }) => name);
  return columns.length > names.length ? `${names.join(', ')} …` : names.join(', ');
}

function refusal(message: string): OsaError {
  return new OsaError('invalid', `sort: ${message}`, { field: 'sort' });
}
