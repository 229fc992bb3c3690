import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import { HookName } from '../hook/hook.ts';
import { WrittenAnswer } from '../json/written.ts';
import { bounds } from '../limits.ts';
import { compareVersions } from '../record/schema.ts';
import type { Store } from '../store.ts';
import { suggest } from '../suggest.ts';
import { excerpt } from '../text.ts';
import { type Cursor, readCursor, writeCursor } from './cursor.ts';
import type { Place, Portion, SchemaOfConvention, Selection } from './dataset.ts';
import { checkFilter } from './filter.ts';
import { readOrder } from './sort.ts';
import {
  type RowParts,
  recordTable,
  rowTable,
  type Table,
  type TableColumn,
  type TableRow,
} from './table.ts';

/** A query of a table, as it came in. */
export interface DataQuery {
  /** Whose records; those of the schema's owner if it is left out. */
  readonly convention?: string | undefined;
  readonly filter?: unknown;
  readonly sort?: string | undefined;
  readonly cursor?: string | undefined;
  /** With older versions and superseded rows. */
  readonly history: boolean;
  /** Reads the data as it was then. */
  readonly as_of?: string | undefined;
  /** The names of those that are wanted, in this order; all if it is left out. */
  readonly columns?: readonly string[] | undefined;
  readonly include?: readonly 'provenance'[] | undefined;
}

export interface RowQuery extends DataQuery {
  readonly release?: number | undefined;
}

type Limited<Q> = Q & { readonly limit: number };

/**
 * Published records of a schema, named `id` or `id@version`, of the convention that owns it or of `convention`. `id` alone
 * means the highest version that this convention has used. So other conventions change nothing that is read here. Without
 * `history` only the newest version of each record.
 *
 * @throws OsaError `not_found`, `invalid`
 */
export async function readRecords(
  store: Store,
  schema: string,
  query: Limited<DataQuery>,
): Promise<Answer<'readRecords'>> {
  const open = await openRecords(store, schema, query);
  const { rows, next } = await store.dataset.portion(open.selection, pageOf(open, query.limit));
  return { rows, ...behind(open, next) } as Answer<'readRecords'>;
}

/**
 * Rows of a feature over the published records of a schema. Without `history` only those of the newest version of
 * each record that no newer computation has replaced. The database writes the rows as they are sent.
 *
 * @throws OsaError `not_found`, `invalid`
 */
export async function writtenRows(
  store: Store,
  schema: string,
  hook: string,
  query: Limited<RowQuery>,
): Promise<WrittenAnswer> {
  const open = await openRows(store, schema, hook, query);
  const { text, count, next } = await store.dataset.rowTexts(open.selection, pageOf(open, query.limit));
  const rest = JSON.stringify(behind(open, next));
  return new WrittenAnswer(`{"rows":[${text}],${rest.slice(1)}`, count);
}

/** A query that was found to fit, before anything of it is read. */
export interface OpenTable {
  readonly selection: Selection;
  readonly start: Cursor | undefined;
  /** The query that a cursor belongs to. */
  readonly identity: unknown;
  /** Those that a file has. */
  readonly columns: readonly TableColumn[];
}

/** @throws OsaError `not_found`, `invalid` */
export async function openRecords(store: Store, schema: string, query: DataQuery): Promise<OpenTable> {
  const of = await resolveSchema(store, schema, query.convention);
  const table = recordTable(await store.dataset.schema(of), partsOf(query));
  return open(store, of, table, query);
}

/** @throws OsaError `not_found`, `invalid` */
export async function openRows(
  store: Store,
  schema: string,
  hook: string,
  query: RowQuery,
): Promise<OpenTable> {
  const { id, version, convention } = await resolveSchema(store, schema, query.convention);
  const of = { id, version, convention };
  const contract = HookName.safeParse(hook).success ? await store.dataset.contract(of, hook) : undefined;
  if (!contract) {
    throw new OsaError(
      'not_found',
      `convention ${convention} with the schema ${id}@${version} has not named a hook ${hook}; ` +
        '`osa hooks list` shows each hook with its convention, and ?convention= reads that of another convention',
      { field: 'feature' },
    );
  }
  return open(store, of, rowTable(hook, contract, partsOf(query)), query);
}

function partsOf({ history, include }: DataQuery): RowParts {
  return { history, provenance: include?.includes('provenance') === true };
}

async function open(store: Store, of: SchemaOfConvention, table: Table, query: RowQuery): Promise<OpenTable> {
  const { filter, sort, history, release } = query;
  const condition = filter === undefined || filter === null ? undefined : checkFilter(table, filter);
  const order = readOrder(table, sort);
  const columns = chosen(table, query.columns);
  const identity = [
    of,
    table.name,
    filter ?? null,
    sort ?? null,
    history,
    release ?? null,
    query.as_of ?? null,
  ];
  const start = query.cursor === undefined ? undefined : readCursor(query.cursor, identity);
  const asOf = start?.asOf ?? (await store.dataset.settled(of.convention, query.as_of));
  const selection = { of, table, order, condition, history, asOf, release };
  return { selection, start, identity, columns };
}

/** @throws OsaError `invalid` for a column that is not there */
function chosen(table: Table, names: readonly string[] | undefined): readonly TableColumn[] {
  if (names === undefined) return table.columns;
  return names.map((name, index) => {
    const column = table.columns.find((known) => known.name === name || known.path === name);
    if (column && names.indexOf(name) === index) return column;
    const known = table.columns.map((each) => each.name);
    const near = suggest(name, known);
    const hint =
      near === undefined ? `; there are ${known.slice(0, 20).join(', ')}` : `; did you mean ${near}?`;
    const problem = column ? `${name} is there twice` : `there is no column ${excerpt(name)}${hint}`;
    throw new OsaError('invalid', `columns: ${problem}`, { field: 'columns' });
  });
}

function pageOf({ start }: OpenTable, limit: number): Portion {
  return { after: start?.place, limit, bytes: bounds.pageBytes };
}

/** The part of a page beside its rows. */
function behind({ selection: { asOf }, identity }: OpenTable, next: Place | undefined) {
  return {
    next_cursor: next === undefined ? null : writeCursor({ place: next, asOf }, identity),
    has_more: next !== undefined,
    as_of: asOf,
  };
}

/** The portions of a stream: small enough that many can be under way. */
const streamed = { limit: 1_000, bytes: 1024 * 1024 };

/** All rows, part by part, as of one moment. Nothing is held between the parts. */
export async function* portions(store: Store, { selection, start }: OpenTable): AsyncGenerator<TableRow[]> {
  for (let after = start?.place; ; ) {
    const { rows, next } = await store.dataset.portion(selection, { after, ...streamed });
    yield rows;
    if (next === undefined) return;
    after = next;
  }
}

/** @throws OsaError `not_found` */
export async function resolveSchema(
  store: Store,
  text: string,
  asked: string | undefined,
): Promise<SchemaOfConvention> {
  return (await findSchema(store, text, asked)).of;
}

/**
 * The schema, and the other versions that the convention has used, lowest first.
 *
 * @throws OsaError `not_found`
 */
export async function findSchema(
  store: Store,
  text: string,
  asked: string | undefined,
): Promise<{ readonly of: SchemaOfConvention; readonly others: readonly string[] }> {
  const [id = '', wanted] = text.split('@', 2);
  const found = await store.dataset.schemaVersions(id, asked);
  if (!found) throw new OsaError('not_found', `no schema ${id} is registered`, { field: 'schema' });
  const versions = found.versions.toSorted(compareVersions);
  const version = wanted ?? versions.at(-1);
  if (version !== undefined && versions.includes(version)) {
    const others = versions.filter((other) => other !== version);
    return { of: { id, version, convention: found.convention }, others };
  }
  const known = versions.length > 0 ? `; it uses ${versions.join(', ')}` : '';
  throw new OsaError(
    'not_found',
    `the convention ${found.convention} has no records of a schema ${text}${known}; ?convention= reads those of another convention`,
    { field: versions.length > 0 ? 'schema' : 'convention' },
  );
}
