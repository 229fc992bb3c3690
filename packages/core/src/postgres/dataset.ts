import type { Answer } from '../api.ts';
import { parseExactJson } from '../exact-json.ts';
import { HookName, type reservedFields } from '../hook/hook.ts';
import { bounds } from '../limits.ts';
import type { DatasetReads } from '../record/dataset.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { Database, Sql } from './connection.ts';
import { pagesOf } from './cursor.ts';

type SchemaVersion = Parameters<DatasetReads['records']>[0];

/** Readings of published data. Values travel as JSON text, so that no number is rounded on the way. */
export function datasetReads({ sql }: Pick<Database, 'sql'>): DatasetReads {
  return {
    schemaVersions: async (id) => {
      const rows = await sql<{ version: string }[]>`select version from schemas where id = ${id}`;
      return rows.map((row) => row.version);
    },
    records: (schema, page) => records(sql, schema, page),
    rows: (schema, hook, page) => rows(sql, schema, hook, page),
  };
}

const recordPages = pagesOf('readRecords');

async function records(
  sql: Sql,
  schema: SchemaVersion,
  { cursor, limit, history }: Parameters<DatasetReads['records']>[1],
): Promise<Answer<'readRecords'>> {
  const after = recordPages.after(cursor);
  type Row = { srn: string; version: number; created_at: string; metadata: string; available: string };
  const candidates = sql`
    select r.srn, r.version, r.published_at as created_at, r.metadata::text as metadata
    from records r
    where r.schema_id = ${schema.id} and r.schema_version = ${schema.version}
      and (${!after} or (r.published_at, r.srn) < (${after ? String(after.s) : null}::text::timestamptz, ${after ? String(after.id) : null}))
      and (${history} or ${isNewest(sql)})
    order by r.published_at desc, r.srn desc
    limit ${limit + 1}`;
  const found = await sql<Row[]>`
    select srn, version, created_at, metadata, available from (
      select *, ${bytesBefore(sql, 'metadata', sql`created_at desc, srn desc`)} from (${candidates}) candidates
    ) measured
    where bytes_before < ${bounds.pageBytes} order by created_at desc, srn desc`;
  const placeOf = (row: Row) => ({ s: row.created_at, id: row.srn });
  const { page, next_cursor, has_more } = recordPages.cut(found, limit, placeOf, availableOf(found));
  const schemaId = `${schema.id}@${schema.version}`;
  const list = page.map(({ srn, version, created_at, metadata }) => {
    const id = parseRecordSrn(srn)?.id ?? srn;
    // Fields of the metadata have other names than these: both stand on the same list.
    const head = {
      id,
      srn,
      schema_id: schemaId,
      version,
      created_at,
    } satisfies Record<(typeof reservedFields)[number], unknown>;
    return { ...head, ...(parseExactJson(metadata) as object) };
  });
  return { rows: list, next_cursor, has_more };
}

const rowPages = pagesOf('readRows');

/**
 * A page walks the feature table by id and looks each row's story up by key. The `offset 0` keeps it so: on a table
 * without statistics the planner would rather read the table once for each record.
 */
async function rows(
  sql: Sql,
  schema: SchemaVersion,
  hook: string,
  { cursor, limit, history, release }: Parameters<DatasetReads['rows']>[2],
): Promise<Answer<'readRows'> | undefined> {
  if (!HookName.safeParse(hook).success || !(await isFeatureOf(sql, schema, hook))) return undefined;
  const after = rowPages.afterNumber(cursor) ?? 0;
  type Row = {
    id: string;
    record_srn: string;
    run_id: string;
    release: number;
    created_at: string;
    row: string;
    available: string;
  };
  const candidates = sql`
    select f.id, r.srn as record_srn, f.run_id, run.version as release, run.finished_at as created_at,
           row_to_json(f)::text as row
    from ${sql(`features.${hook}`)} f
    cross join lateral (select batch_record, superseded_by from outcomes where id = f.outcome_id offset 0) o
    cross join lateral (select version, finished_at from runs where id = f.run_id offset 0) run
    cross join lateral (select record from batch_records where id = o.batch_record offset 0) b
    cross join lateral (select * from records where srn = b.record offset 0) r
    where f.id > ${after} and r.schema_id = ${schema.id} and r.schema_version = ${schema.version}
      and (${release ?? null}::integer is null or run.version = ${release ?? null})
      and (${history} or (o.superseded_by is null and ${isNewest(sql)}))
    order by f.id
    limit ${limit + 1}`;
  const found = await sql<Row[]>`
    select id, record_srn, run_id, release, created_at, row, available from (
      select *, ${bytesBefore(sql, 'row', sql`id`)} from (${candidates}) candidates
    ) measured
    where bytes_before < ${bounds.pageBytes} order by id`;
  const placeOf = (row: Row) => ({ s: null, id: Number(row.id) });
  const { page, next_cursor, has_more } = rowPages.cut(found, limit, placeOf, availableOf(found));
  const list = page.map(({ row, id, available: _, ...head }) => ({
    id: Number(id),
    ...head,
    ...rowValues(row),
  }));
  return { rows: list, next_cursor, has_more };
}

/** The bytes of a column in the rows before each one, and how many rows there are. */
function bytesBefore(sql: Sql, column: string, order: ReturnType<typeof isNewest>) {
  const size = sql`octet_length(${sql(column)})`;
  return sql`sum(${size}) over (order by ${order}) - ${size} as bytes_before, count(*) over () as available`;
}

/** A page has one row at least, if there is one, however large that is. */
function availableOf(found: readonly { readonly available: string }[]): number {
  return Number(found[0]?.available ?? 0);
}

/**
 * Whether a convention that uses or has used the schema names or has named the hook. What was once readable stays so
 * when a deploy moves the convention to another schema, or takes the hook out; deploys are the history of both.
 */
async function isFeatureOf(sql: Sql, { id, version }: SchemaVersion, hook: string): Promise<boolean> {
  const [found] = await sql`
    select where exists (
      select from convention_hooks n join conventions c on c.slug = n.slug
      where n.hook = ${hook} and c.schema_id = ${id} and c.schema_version = ${version})
    or exists (
      select from (
        select distinct slug from deploys
        where manifest #>> '{schema,id}' = ${id} and manifest #>> '{schema,version}' = ${version}) used
      where exists (
        select from deploys named
        where named.slug = used.slug
          and named.manifest -> 'hooks' @> jsonb_build_array(jsonb_build_object('name', ${hook}::text))))`;
  return found !== undefined;
}

/** No newer version of the record `r` is published. */
function isNewest(sql: Sql) {
  return sql`not exists (select from records n
    where n.convention = r.convention and n.source_id = r.source_id and n.version > r.version)`;
}

/** The declared columns of a feature row that was read as JSON, in the contract's order. */
export function rowValues(text: string): Record<string, unknown> {
  const row = parseExactJson(text) as Record<string, unknown>;
  const { id: _id, outcome_id: _outcome, run_id: _run, ordinal: _ordinal, ...values } = row;
  return values;
}
