import type { Place, Portion, Selection } from '../../data/dataset.ts';
import type { TableColumn } from '../../data/table.ts';
import { rowMark } from '../../json/written.ts';
import type { Sql } from '../connection/connect.ts';
import { recalledJson } from '../trace/recall/recalled.ts';
import { utc } from '../wire.ts';
import { nextStep, widestStep } from './portion.ts';
import { isVisible, rowColumn, rowSource, story } from './rows.ts';
import { type Fragment, isNewest, isStanding, joined } from './visible.ts';
import { searchMs, walk } from './walk.ts';

/**
 * Rows as the JSON text that is sent. The rows of an outcome begin alike, so they are taken together, and the story of an
 * outcome is looked up once.
 */

/** The rows by their ids, in the order of `ids`. */
export function rowBodies(sql: Sql, selection: Selection, ids: string): Fragment {
  const rows = sql`
    select k.n, f.id, f.outcome_id, f.run_id, ${ownText(sql, selection)} as own
    from unnest(${ids}::text::bigint[]) with ordinality as k (id, n)
    cross join lateral (select * from ${tableOf(sql, selection)} where id = k.id offset 0) f`;
  return sql`select n, body from (${withStories(sql, selection, { rows, where: sql`true` })}) made`;
}

export interface Texts {
  /** Each with `rowMark` between its rows. */
  readonly texts: readonly string[];
  readonly count: number;
  readonly next: Place | undefined;
}

interface Step {
  readonly text: string | null;
  readonly count: number;
  readonly bytes: string;
  /** The last row that was made. */
  readonly last: string | null;
  /** Whether the bytes ended it before its rows did. */
  readonly isCut: boolean;
  /** Whether another row of the selection was seen behind its rows. */
  readonly goesOn: boolean;
  /** The stored rows that were looked at: how many, and the last one. */
  readonly seen: number;
  readonly end: string | null;
}

/** Rows in stored order, whatever their values: they are found and made in one pass, some at a time. */
export async function straightTexts(
  sql: Sql,
  selection: Selection,
  { after, limit, bytes: most }: Portion,
): Promise<Texts> {
  const begun = performance.now();
  const texts: string[] = [];
  let [count, bytes, step] = [0, 0, nextStep()];
  let wider = 1;
  for (let place = after; ; ) {
    const wanted = Math.min(step, limit - count);
    const window = windowFor(Math.min(widestStep, wanted * wider));
    const made = await oneStep(sql, selection, { place, window, wanted, left: most - bytes });
    if (made.text !== null) texts.push(made.text);
    count += made.count;
    bytes += Number(made.bytes);
    const [last, end] = [made.last ?? made.end, made.end];
    if (last === null || end === null) return { texts, count, next: undefined };
    const hasMore = made.isCut || made.goesOn;
    if (!hasMore && made.seen < window) return { texts, count, next: undefined };
    place = placeOf(hasMore ? last : end);
    if (made.isCut || (made.goesOn && count >= limit)) return { texts, count, next: place };
    if (!hasMore) wider *= 4;
    if (count >= limit || bytes >= most)
      return { texts, count, next: await furtherOn(sql, selection, place) };
    if (performance.now() - begun > searchMs) return { texts, count, next: place };
    step = nextStep({ count, bytes, left: most - bytes });
  }
}

/**
 * A few more stored rows than `wanted`, by one at least. It becomes a part of the statement, since PostgreSQL would plan each
 * reading anew for a limit that it does not know; so there are not many of them.
 */
function windowFor(wanted: number): number {
  return (wanted <= 64 ? 64 : Math.ceil(wanted / 128) * 128) + 1;
}

/** Makes the `wanted` first rows of the selection among `window` stored ones. */
async function oneStep(
  sql: Sql,
  selection: Selection,
  { place, window, wanted, left }: { place: Place | undefined; window: number; wanted: number; left: number },
): Promise<Step> {
  const { descending } = selection.order;
  const direction = descending ? sql`desc` : sql`asc`;
  const behind = place ? sql`id ${descending ? sql`<` : sql`>`} ${place.id}::text::bigint` : sql`true`;
  const isTaken = sql`place <= ${wanted} and before < ${left}`;
  const [made] = await sql<Step[]>`
    with scanned as materialized (
      select row_number() over (order by id ${direction}) as n, id, outcome_id, run_id, ${ownText(sql, selection)} as own
      from ${tableOf(sql, selection)} f where ${behind} order by id ${direction} limit ${sql.unsafe(String(window))}),
    found as (
      select id, body, row_number() over (order by n) as place
      from (${withStories(sql, selection, { rows: sql`select * from scanned`, where: isVisible(sql, selection) })}) made),
    measured as (
      select *, sum(octet_length(body)) over (order by place) - octet_length(body) as before from found
      where place <= ${wanted + 1})
    select string_agg(body, ${rowMark}::text order by place) filter (where ${isTaken}) as text,
           (count(*) filter (where ${isTaken}))::integer as count,
           coalesce(sum(octet_length(body)) filter (where ${isTaken}), 0) as bytes,
           ((array_agg(id order by place desc) filter (where ${isTaken}))[1])::text as last,
           coalesce(bool_or(before >= ${left}), false) as "isCut",
           coalesce(bool_or(place > ${wanted}), false) as "goesOn",
           (select count(*)::integer from scanned) as seen,
           (select id::text from scanned order by n desc limit 1) as "end"
    from measured`;
  if (!made) throw new RangeError('an aggregate has a row');
  return made;
}

const placeOf = (id: string): Place => ({ k: [], id });

/** The place itself, if a row of the selection is behind it. */
async function furtherOn(sql: Sql, selection: Selection, place: Place): Promise<Place | undefined> {
  const { places, end } = await walk(sql, rowSource(sql, selection), { selection, after: place, count: 1 });
  return places.length > 0 ? place : end;
}

function tableOf(sql: Sql, { table }: Selection) {
  return sql(`features.${table.name}`);
}

/** `rows` (their order `n`, their keys and their `own` text) with what their outcomes say, where it is as `where` wants it. */
function withStories(
  sql: Sql,
  selection: Selection,
  { rows, where }: { readonly rows: Fragment; readonly where: Fragment },
): Fragment {
  return sql`
    select u.n, u.id, '{"id":' || u.id || ',' || s.head || u.own as body
    from (
      select outcome_id, run_id, array_agg(n) as ns, array_agg(id) as ids, array_agg(own) as owns
      from (${rows}) r group by outcome_id, run_id) f
    cross join lateral (
      select ${headText(sql, selection)} as head from (select) one ${story(sql)} ${releaseOf(sql, selection)}
      where ${where} offset 0) s
    cross join lateral unnest(f.ns, f.ids, f.owns) as u (n, id, own)`;
}

/** From a run `run` to its release `rel` and its hook `h`, where they are shown. */
function releaseOf(sql: Sql, { table }: Selection): Fragment {
  if (!table.columns.some(({ name }) => name === '_digest')) return sql``;
  return sql`
    cross join lateral (
      select version, digest, source_ref from releases where hook = run.hook and version = run.version offset 0) rel
    cross join lateral (select live_version from hooks where name = run.hook offset 0) h`;
}

/**
 * All of a row that its outcome decides, without the braces. Notices on what was recalled are there where they are asked for,
 * and where there are any.
 */
function headText(sql: Sql, selection: Selection): Fragment {
  const columns = headColumns(selection).map(
    (column) => sql`${headColumn(sql, selection, column)} as ${sql(column.name)}`,
  );
  const written = sql`row_to_json(head)::text`;
  const text = sql`substr(${written}, 2, length(${written}) - 2)`;
  const from = sql`(select ${joined(sql, columns, sql`, `, sql``)}) head`;
  if (selection.table.columns.some(({ name }) => name === '_recalled'))
    return sql`(select ${text} from ${from})`;
  return sql`(
    select ${text} || case notices.found when '[]' then '' else ',"_recalled":' || notices.found end
    from ${from} cross join (select ${recalled(sql)}::text as found) notices)`;
}

/** The declared columns of the row `f`, as the end of its text. */
function ownText(sql: Sql, { table }: Selection): Fragment {
  const columns = table.columns.filter(isOwn).map(({ name }) => sql`f.${sql(name)}`);
  if (columns.length === 0) return sql`'}'::text`;
  return sql`(select ',' || substr(row_to_json(own)::text, 2) from (select ${joined(sql, columns, sql`, `, sql``)}) own)`;
}

const isOwn = ({ path }: TableColumn) => path.startsWith('features.');

function recalled(sql: Sql): Fragment {
  const [hook, version] = [sql`run.hook`, sql`run.version`];
  return recalledJson(sql, { hook, version, run: sql`f.run_id`, record: sql`o.batch_record` });
}

function headColumns({ table }: Selection): readonly TableColumn[] {
  return table.columns.filter((column) => !isOwn(column) && column.path !== 'id');
}

function headColumn(sql: Sql, { asOf }: Selection, column: TableColumn): Fragment {
  switch (column.path) {
    case 'created_at':
      return utc(sql, sql`run.finished_at`);
    case '_current':
      return sql`(${isStanding(sql, asOf)} and ${isNewest(sql, asOf)})`;
    case '_digest':
      return sql`rel.digest`;
    case '_source_ref':
      return sql`rel.source_ref`;
    case '_recalled':
      return recalled(sql);
    case '_stale':
      return sql`(rel.version is distinct from h.live_version)`;
    default:
      return rowColumn(sql, column);
  }
}
