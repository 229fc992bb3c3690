import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import { HookName, type reservedFields } from '../hook/hook.ts';
import type { StoredSchema } from '../hook/registry.ts';
import { mapInTurns } from '../in-turns.ts';
import { parseExactJson } from '../json/exact.ts';
import { bounds } from '../limits.ts';
import type { DatasetReads, SchemaOfConvention } from '../record/dataset.ts';
import { localTimes } from '../record/schema.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { Database, Sql } from './connection/connect.ts';
import { wantedSignal } from './connection/wanted.ts';
import { type Place, pagesOf } from './cursor.ts';

/** Readings of published data. Values travel as JSON text, so that no number is rounded on the way. */
export function datasetReads({ sql }: Pick<Database, 'sql'>): DatasetReads {
  return {
    schemaVersions: (id, convention) => schemaVersions(sql, id, convention),
    records: (of, page) => records(sql, of, page),
    rows: (of, hook, page) => rows(sql, of, hook, page),
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

const recordPages = pagesOf('readRecords');

async function records(
  sql: Sql,
  schema: SchemaOfConvention,
  { cursor, limit, history }: Parameters<DatasetReads['records']>[1],
): Promise<Answer<'readRecords'>> {
  type Row = {
    srn: string;
    record_id: string;
    version: number;
    created_at: string;
    source_id: string;
    metadata: string;
  };
  const placeOf = (row: Row) => ({ s: row.created_at, id: `${row.record_id}@${row.version}` });
  const candidates = (after: Place | undefined, count: number) => {
    const [id = null, version = null] = after ? String(after.id).split('@') : [];
    // A set for each domain that the archive has had, which is one.
    return sql`
      select p.srn, p.record_id, p.version, p.published_at as created_at, p.source_id, p.metadata::text as metadata
      from (
        select r.* from record_sets s
        cross join lateral (
          select * from records r
          where r.record_set = s.id
            and (${!after} or (r.published_at, r.record_id, r.version) <
              (${after ? String(after.s) : null}::text::timestamptz, ${id}::text::uuid, ${version}::text::integer))
            and (${history} or ${isNewest(sql)})
          order by r.published_at desc, r.record_id desc, r.version desc limit ${count}) r
        where (s.convention, s.schema_id, s.schema_version) = (${schema.convention}, ${schema.id}, ${schema.version})
        order by r.published_at desc, r.record_id desc, r.version desc limit ${count}) r
      cross join lateral (select * from published where batch_record = r.batch_record offset 0) p`;
  };
  const found = await inSteps<Row>(sql, limit, recordPages.after(cursor), {
    candidates,
    placeOf,
    order: sql`created_at desc, record_id desc, version desc`,
    column: 'metadata',
  });
  const { page, next_cursor, has_more } = recordPages.cut(found.rows, limit, placeOf, found.available);
  const schemaId = `${schema.id}@${schema.version}`;
  const declared = await schemaOf(sql, schema);
  const list = await mapInTurns(
    page,
    ({ srn, version, created_at, source_id, metadata }) => {
      const id = parseRecordSrn(srn)?.id ?? srn;
      // Fields of the metadata have other names than these: both stand on the same list.
      const head = {
        id,
        srn,
        schema_id: schemaId,
        version,
        created_at,
        convention_id: schema.convention,
        source_id,
      } satisfies Omit<Record<(typeof reservedFields)[number], unknown>, 'local_times'>;
      return { ...head, ...declaredValues(declared, parseExactJson(metadata) as Metadata) };
    },
    wantedSignal(),
  );
  return { rows: list, next_cursor, has_more };
}

async function schemaOf(sql: Sql, { id, version }: SchemaOfConvention): Promise<StoredSchema> {
  const [row] = await sql<StoredSchema[]>`
    select fields, open_text as "openText" from schemas where id = ${id} and version = ${version}`;
  if (!row) throw new OsaError('internal', `schema ${id}@${version} was used and is not there`);
  return row;
}

type Metadata = Readonly<Record<string, unknown>>;

/** Every field in the declared order, null where it is absent, and then which times say no offset, if any. */
function declaredValues({ fields, openText }: StoredSchema, metadata: Metadata): Metadata {
  const values = fields.map(({ name }) => [name, Object.hasOwn(metadata, name) ? metadata[name] : null]);
  const local = openText ? localTimes(fields, metadata) : [];
  return { ...Object.fromEntries(values), ...(local.length > 0 && { local_times: local }) };
}

const rowPages = pagesOf('readRows');

/**
 * A page walks the feature table by id and looks each row's story up by key. The `offset 0` keeps it so: on a table
 * without statistics the planner would rather read the table once for each record.
 */
async function rows(
  sql: Sql,
  schema: SchemaOfConvention,
  hook: string,
  { cursor, limit, history, release }: Parameters<DatasetReads['rows']>[2],
): Promise<Answer<'readRows'> | undefined> {
  if (!HookName.safeParse(hook).success || !(await isFeatureOf(sql, schema, hook))) return undefined;
  type Row = {
    id: string;
    record_srn: string;
    run_id: string;
    release: number;
    created_at: string;
    row: string;
  };
  const first = rowPages.afterNumber(cursor);
  const start = first === undefined ? undefined : { s: null, id: first };
  // Without this every row would be looked at, to find none.
  if (release !== undefined && !(await hasRun(sql, hook, release))) {
    return { rows: [], next_cursor: null, has_more: false };
  }
  const placeOf = (row: Row) => ({ s: null, id: Number(row.id) });
  const candidates = (after: Place | undefined, count: number) => sql`
    select f.id, r.srn as record_srn, f.run_id, run.version as release, run.finished_at as created_at,
           row_to_json(f)::text as row
    from ${sql(`features.${hook}`)} f
    cross join lateral (select batch_record, superseded_by from outcomes where id = f.outcome_id offset 0) o
    cross join lateral (select version, finished_at from runs where id = f.run_id offset 0) run
    cross join lateral (select * from published where batch_record = o.batch_record offset 0) r
    where f.id > ${after?.id ?? 0} and r.convention = ${schema.convention} and r.schema_id = ${schema.id} and r.schema_version = ${schema.version}
      and (${release ?? null}::integer is null or run.version = ${release ?? null})
      and (${history} or (o.superseded_by is null and ${isNewest(sql)}))
    order by f.id
    limit ${count}`;
  const found = await inSteps<Row>(sql, limit, start, { candidates, placeOf, order: sql`id`, column: 'row' });
  const { page, next_cursor, has_more } = rowPages.cut(found.rows, limit, placeOf, found.available);
  const list = await mapInTurns(
    page,
    ({ row, id, bytes: _bytes, available: _all, ...head }) => ({
      id: Number(id),
      ...head,
      ...rowValues(parseExactJson(row) as Record<string, unknown>),
    }),
    wantedSignal(),
  );
  return { rows: list, next_cursor, has_more };
}

/** How many rows are made, however large, before it is seen how large they are. */
const stepRows = 256;

interface Reading<T> {
  candidates(after: Place | undefined, count: number): ReturnType<typeof isNewest>;
  placeOf(row: T): Place;
  readonly order: ReturnType<typeof isNewest>;
  /** Whose bytes count. */
  readonly column: string;
}

/**
 * The rows of a page: as many as were asked for, or as it takes for `pageBytes`; one at least, if there is one, however
 * large. They are made some at a time, with one more that tells whether there are others.
 */
async function inSteps<T extends object>(
  sql: Sql,
  limit: number,
  start: Place | undefined,
  { candidates, placeOf, order, column }: Reading<T>,
): Promise<{ rows: Measured<T>[]; available: number }> {
  const rows: Measured<T>[] = [];
  const size = sql`octet_length(${sql(column)})`;
  for (let after = start, bytes = 0; ; ) {
    const wanted = Math.min(stepRows, limit - rows.length);
    const step = await sql<Measured<T>[]>`
      select * from (
        select *, sum(${size}) over (order by ${order}) as bytes, count(*) over () as available
        from (${candidates(after, wanted + 1)}) candidates
      ) measured
      where bytes - ${size} < ${bounds.pageBytes - bytes} order by ${order}`;
    const kept = step.slice(0, wanted);
    const last = kept.at(-1);
    rows.push(...kept);
    const more = Number(last?.available ?? 0) - kept.length;
    bytes += Number(last?.bytes ?? 0);
    const isFull = kept.length < wanted || rows.length === limit || bytes >= bounds.pageBytes;
    if (!last || more === 0 || isFull) return { rows, available: rows.length + more };
    after = placeOf(last);
  }
}

type Measured<T> = T & { readonly bytes: string; readonly available: string };

/**
 * Whether a convention that has used the schema has named the hook. Its deploys are the history of both, so what was once
 * readable stays so when a deploy moves the convention to another schema, or takes the hook out.
 */
async function isFeatureOf(
  sql: Sql,
  { id, version, convention }: SchemaOfConvention,
  hook: string,
): Promise<boolean> {
  const [found] = await sql`
    select from hooks where name = ${hook} and exists (
      select from deploys
      where slug = ${convention} and manifest #>> '{schema,id}' = ${id} and manifest #>> '{schema,version}' = ${version})
    and exists (
      select from deploys
      where slug = ${convention} and manifest -> 'hooks' @> jsonb_build_array(jsonb_build_object('name', ${hook}::text)))`;
  return found !== undefined;
}

async function hasRun(sql: Sql, hook: string, version: number): Promise<boolean> {
  return (await sql`select from runs where hook = ${hook} and version = ${version} limit 1`).length > 0;
}

/** No newer version of the record `r` is published. */
function isNewest(sql: Sql) {
  return sql`not exists (select from records n
    where n.record_id = r.record_id and n.version > r.version)`;
}

/** The declared columns of a whole feature row, in the contract's order. */
export function rowValues(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { id: _id, outcome_id: _outcome, run_id: _run, ordinal: _ordinal, ...values } = row;
  return values;
}
