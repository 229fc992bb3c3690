import type { DatasetReads, Portion, SchemaOfConvention, Selection } from '../../data/dataset.ts';
import type { TableRow } from '../../data/table.ts';
import { OsaError } from '../../error.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { StoredSchema } from '../../hook/registry.ts';
import { mapInTurns } from '../../in-turns.ts';
import { parseExactJson } from '../../json/exact.ts';
import { rowMark, spelledRows } from '../../json/written.ts';
import type { NodeIdentity } from '../../record/srn.ts';
import { newestTime } from '../clock.ts';
import { wantedSignal } from '../connection/cancel-unwanted.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { isStatementTimeout } from '../connection/sqlstate.ts';
import { isShown } from '../deposition/private.ts';
import { catalog, counts, oneRecord } from './catalog.ts';
import { type Body, bodiesOf, nextPlace, textsOf } from './portion.ts';
import { type RecordBody, recordBodies, recordRow, recordSource } from './records.ts';
import { rowBodies, straightTexts, type Texts } from './row-texts.ts';
import { rowSource } from './rows.ts';
import { type Keys, sorted, walk } from './walk.ts';

export function datasetReads({ sql }: Pick<Database, 'sql'>, node: NodeIdentity): DatasetReads {
  return {
    domain: node.domain,
    schemaVersions: (id, convention) => schemaVersions(sql, id, convention),
    schema: (of) => schemaOf(sql, of),
    contract: (of, hook) => contractOf(sql, of, hook),
    settled: (convention, given) => settled(sql, convention, given),
    portion: (selection, wanted) =>
      inTime(selection, () => (selection.table.kind === 'records' ? records : rows)(sql, selection, wanted)),
    rowTexts: (selection, wanted) => inTime(selection, () => texts(sql, selection, wanted)),
    record: (id, version) => oneRecord(sql, { id, version }),
    catalog: (page) => catalog(sql, node, page),
    counts: (of) => counts(sql, of),
  };
}

async function schemaVersions(sql: Sql, id: string, asked: string | undefined) {
  const [row] = await sql<{ convention: string; versions: string[] }[]>`
    select convention, array(
      select distinct manifest #>> '{schema,version}' from deploys
      where slug = convention and manifest #>> '{schema,id}' = ${id}) as versions
    from (select coalesce(${asked ?? null}::text, owner) as convention from schema_owners where id = ${id}) meant`;
  return row;
}

async function schemaOf(sql: Sql, { id, version }: SchemaOfConvention) {
  const [row] = await sql<(StoredSchema & { readonly title: string })[]>`
    select fields, open_text as "openText", title from schemas where id = ${id} and version = ${version}`;
  if (!row) throw new OsaError('internal', `schema ${id}@${version} was used and is not there`);
  return row;
}

/**
 * The contract of a hook that was named by a convention which has used the schema. Its deploys are the history of both,
 * so what was once readable stays so when a deploy moves the convention to another schema, or takes the hook out.
 */
async function contractOf(
  sql: Sql,
  { id, version, convention }: SchemaOfConvention,
  hook: string,
): Promise<FeatureContract | undefined> {
  const [found] = await sql<{ feature: FeatureContract }[]>`
    select feature from hooks where name = ${hook} and exists (
      select from deploys
      where slug = ${convention} and manifest #>> '{schema,id}' = ${id} and manifest #>> '{schema,version}' = ${version})
    and exists (
      select from deploys
      where slug = ${convention} and manifest -> 'hooks' @> jsonb_build_array(jsonb_build_object('name', ${hook}::text)))`;
  return found?.feature;
}

/**
 * Records are published, and computed again, under a lock of their convention, and at the clock of that moment or, where the
 * clock is behind the last one, just after that. So where nobody holds it, all that was published until now can be seen; where
 * somebody does, all until the last one that can be seen.
 */
async function settled(sql: Sql, convention: string, given: string | undefined): Promise<string> {
  const newest = newestTime(sql, convention);
  const [row] = await sql<{ at: string }[]>`
    select least(${given ?? null}::text::timestamptz, case
      when pg_try_advisory_xact_lock_shared(hashtext('osa.publish'), hashtext(${convention}))
        then greatest(clock_timestamp(), ${newest})
      else coalesce(${newest}, clock_timestamp()) end) as at`;
  if (!row) throw new OsaError('internal', 'the database has no clock');
  return row.at;
}

async function inTime<T>(selection: Selection, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isStatementTimeout(error)) throw tooLong(selection, error);
    throw error;
  }
}

async function records(sql: Sql, selection: Selection, { after, limit, bytes }: Portion) {
  const keys = await find(sql, selection, { source: recordSource(sql, selection), after, count: limit + 1 });
  const schema = await schemaOf(sql, selection.of);
  const made = await bodiesOf<RecordBody>(sql, keys.places.slice(0, limit), {
    bytes,
    bodies: (ids) => recordBodies(sql, selection, ids),
  });
  const found = await mapInTurns(made, (body) => recordRow(selection, schema, body), wantedSignal());
  return { rows: found, next: nextPlace(keys, found.length) };
}

async function rows(sql: Sql, selection: Selection, { after, limit, bytes }: Portion) {
  const keys = await rowKeys(sql, selection, { after, limit });
  const made = await bodiesOf<Body>(sql, keys.places.slice(0, limit), {
    bytes,
    bodies: (ids) => rowBodies(sql, selection, ids),
  });
  const found = await mapInTurns(made, ({ body }) => parseExactJson(body) as TableRow, wantedSignal());
  return { rows: found, next: nextPlace(keys, found.length) };
}

/** The rows, each as the JSON text that is sent. */
async function texts(sql: Sql, selection: Selection, portion: Portion) {
  const { order, condition, release } = selection;
  const isStraight = order.isStored && condition === undefined && release === undefined;
  const { texts, count, next } = await (isStraight ? straightTexts : chosenTexts)(sql, selection, portion);
  return { text: await spelledRows(texts.join(rowMark), wantedSignal()), count, next };
}

async function chosenTexts(sql: Sql, selection: Selection, { after, limit, bytes }: Portion): Promise<Texts> {
  const keys = await rowKeys(sql, selection, { after, limit });
  const made = await textsOf(sql, keys.places.slice(0, limit), {
    bytes,
    bodies: (ids) => rowBodies(sql, selection, ids),
  });
  return { ...made, next: nextPlace(keys, made.count) };
}

async function rowKeys(
  sql: Sql,
  selection: Selection,
  { after, limit }: Pick<Portion, 'after' | 'limit'>,
): Promise<Keys> {
  const { table, release } = selection;
  // Without this every row would be looked at, to find none.
  const isEmpty = release !== undefined && !(await hasRun(sql, table.name, release));
  if (isEmpty) return { places: [], end: undefined };
  return find(sql, selection, { source: rowSource(sql, selection), after, count: limit + 1 });
}

function find(
  sql: Sql,
  selection: Selection,
  { source, after, count }: { source: ReturnType<typeof rowSource>; after: Portion['after']; count: number },
): Promise<Keys> {
  const read = selection.order.isStored ? walk : sorted;
  return read(sql, source, { selection, after, count });
}

async function hasRun(sql: Sql, hook: string, version: number): Promise<boolean> {
  return (
    (
      await sql`
    select from runs where hook = ${hook} and version = ${version} and ${isShown(sql, sql`runs.batch`)} limit 1`
    ).length > 0
  );
}

function tooLong({ order, condition }: Selection, cause: unknown): OsaError {
  const field = order.isStored ? 'filter' : 'sort';
  const narrower = condition ? 'a filter that fewer rows match' : 'a filter';
  return new OsaError(
    'invalid',
    `${field}: this reading took too long and was stopped; add ${narrower}, or leave the sort out`,
    { field, cause },
  );
}
