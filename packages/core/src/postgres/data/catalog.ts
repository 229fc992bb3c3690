import type { Answer } from '../../api/index.ts';
import type { Count, SchemaOfConvention, TableCounts } from '../../data/dataset.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { Page } from '../../hook/registry.ts';
import { parseExactJson } from '../../json/exact.ts';
import type { NodeIdentity } from '../../record/srn.ts';
import type { Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { recalledJson } from '../trace/recall/recalled.ts';
import { isNewest } from './visible.ts';

/** Reads the catalog: schemas with their tables, and single records. */

const schemaPages = pagesOf('dataCatalog');

/** The hooks of a schema are those that its owner has in its convention, or owns. */
export async function catalog(
  sql: Sql,
  { domain }: NodeIdentity,
  { cursor, limit }: Page,
): Promise<Answer<'dataCatalog'>> {
  const after = schemaPages.after(cursor);
  const rows = await sql<{ id: string; version: string; convention: string; hooks: string[] }[]>`
    select s.id, s.version, w.owner as convention, array(
      select hook from (
        select hook from convention_hooks where slug = w.owner
        union select name from hooks where owner = w.owner) its order by hook) as hooks
    from schemas s join schema_owners w on w.id = s.id
    where ${!after} or (s.id, s.version) > (${after ? String(after.s) : null}::text, ${after ? String(after.id) : null}::text)
    order by s.id, s.version limit ${limit + 1}`;
  const { page, ...next } = schemaPages.cut(rows, limit, (row) => ({ s: row.id, id: row.version }));
  const schemas = page.map(({ id, version, convention, hooks }) => ({
    id,
    version,
    srn: `urn:osa:${domain}:schema:${id}@${version}`,
    convention_id: convention,
    table_resources: [
      { name: 'records', kind: 'records' as const },
      ...hooks.map((name) => ({ name, kind: 'feature' as const })),
    ],
  }));
  return { node_domain: domain, schemas, ...next };
}

/** Counting ends here. */
const mostCounted = 10_000;

export async function counts(
  sql: Sql,
  { id, version, convention }: SchemaOfConvention,
): Promise<TableCounts> {
  const newest = sql`
    select r.batch_record
    from (select id from record_sets where (convention, schema_id, schema_version) = (${convention}, ${id}, ${version}) offset 0) s
    cross join lateral (select * from records where record_set = s.id offset 0) r
    where ${isNewest(sql, 'infinity')}`;
  const [records] = await sql<{ rows: number }[]>`
    select count(*)::integer as rows from (
      ${newest} limit ${mostCounted + 1}) counted`;
  const features = await sql<{ hook: string; contract: FeatureContract; rows: string; looked: number }[]>`
    select h.name as hook, h.feature as contract, coalesce(c.rows, 0) as rows, coalesce(c.looked, 0)::integer as looked
    from (
      select hook from convention_hooks where slug = ${convention}
      union select name from hooks where owner = ${convention}) its
    cross join lateral (select name, feature from hooks where name = its.hook offset 0) h
    cross join lateral (
      select sum(row_count) as rows, count(*) as looked from (
        select o.row_count
        from (
          ${newest} limit ${mostCounted + 1}) r
        cross join lateral (
          select row_count from outcomes
          where batch_record = r.batch_record and hook = h.name and superseded_by is null offset 0) o) found) c
    order by h.name`;
  const looked = records?.rows ?? 0;
  const exact = looked <= mostCounted;
  const count = (rows: number): Count => ({ rows, isExact: exact });
  return {
    records: count(Math.min(looked, mostCounted)),
    features: features.map(({ hook, contract, rows }) => ({ hook, contract, ...count(Number(rows)) })),
  };
}

export async function oneRecord(
  sql: Sql,
  { id, version }: { readonly id: string; readonly version: number | undefined },
): Promise<Answer<'readRecord'> | undefined> {
  type Row = Omit<Answer<'readRecord'>, 'id' | 'metadata' | 'recalled'> & {
    readonly metadata: string;
    readonly recalled: NonNullable<Answer<'readRecord'>['recalled']>;
  };
  const [row] = await sql<Row[]>`
    select r.srn, r.schema_id || '@' || r.schema_version as schema_id, r.version, r.convention as convention_id,
           r.source_id, r.published_at as created_at, r.metadata::text as metadata,
           ${recalledJson(sql, { record: sql`r.batch_record` })} as recalled
    from (
      select batch_record from records
      where record_id = ${id}::text::uuid and (${version ?? null}::integer is null or version = ${version ?? null})
      order by version desc limit 1) found
    cross join lateral (select * from published where batch_record = found.batch_record offset 0) r`;
  if (!row) return undefined;
  const { recalled, metadata, ...rest } = row;
  return {
    id,
    ...rest,
    metadata: parseExactJson(metadata) as Record<string, unknown>,
    ...(recalled.length > 0 && { recalled }),
  };
}
