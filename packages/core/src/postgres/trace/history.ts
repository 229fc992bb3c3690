import { HookName } from '../../hook/hook.ts';
import type { Page } from '../../hook/registry.ts';
import { parseExactJson } from '../../json/exact.ts';
import type { Source, StoredHistory, StoredResult, StoredVersion } from '../../trace/tracer.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { rowValues } from '../data/rows.ts';
import { recalledJson } from './recall/recalled.ts';

/** Results of one version, and rows of one result, that are listed. */
const [mostResults, mostRows] = [200, 20];

const pages = pagesOf('sourceHistory');

export async function versions(
  sql: Sql,
  source: Source,
  { cursor, limit }: Page,
): Promise<StoredHistory | undefined> {
  type Row = Omit<StoredVersion, 'results' | 'metadata'> & { metadata: string; batch_record: string };
  const before = pages.afterNumber(cursor) ?? 2 ** 31 - 1;
  const found = await sql<Row[]>`
    select p.version, p.srn, p.published_at, jsonb_build_object('id', p.schema_id, 'version', p.schema_version) as schema_id,
           bt.ingestion, p.line, p.metadata::text as metadata, p.batch_record,
           ${recalledJson(sql, { record: sql`r.batch_record` })} as recalled
    from (${recordId(sql, source)}) s
    cross join lateral (
      select batch_record, version from records where record_id = s.record_id and version < ${before}
      order by version desc limit ${limit + 1}) r
    cross join lateral (select * from published where batch_record = r.batch_record offset 0) p
    cross join lateral (select ingestion from batches where id = p.batch offset 0) bt
    order by r.version desc`;
  const count = await versionCount(sql, source);
  if (count === 0) return undefined;
  const { next_cursor, has_more } = pages.cut(found, limit, ({ version }) => ({ s: null, id: version }));
  const results = await resultsOf(
    sql,
    found.map((row) => row.batch_record),
  );
  return {
    versionCount: count,
    versions: found.map(({ metadata, batch_record, ...version }) => ({
      ...version,
      metadata: parseExactJson(metadata) as StoredVersion['metadata'],
      results: results.get(batch_record) ?? [],
    })),
    next_cursor,
    has_more,
  };
}

function recordId(sql: Sql, { convention, sourceId }: Source) {
  return sql`select record_id from sources where convention = ${convention} and source_id = ${sourceId} offset 0`;
}

async function versionCount(sql: Sql, source: Source): Promise<number> {
  const [row] = await sql<{ version: number }[]>`
    select version from records where record_id = (${recordId(sql, source)}) order by version desc limit 1`;
  return row?.version ?? 0;
}

export async function newestRecord(sql: Sql, source: Source): Promise<string | undefined> {
  const [row] = await sql<{ srn: string }[]>`
    select p.srn
    from (
      select batch_record from records where record_id = (${recordId(sql, source)}) order by version desc limit 1) r
    cross join lateral (select srn from published where batch_record = r.batch_record offset 0) p`;
  return row?.srn;
}

type Outcome = Omit<StoredResult, 'rows'> & { readonly id: string; readonly of: string };

/** The results of batch records, oldest first: what the run of their batch answered, and what recomputes answered. */
async function resultsOf(
  sql: Sql,
  batchRecords: readonly string[],
): Promise<ReadonlyMap<string, StoredResult[]>> {
  const outcomes = await sql<Outcome[]>`
    select o.id, g.id as of, o.hook, o.status, o.reason as rejection, o.run as run_id, run.finished_at as at,
           run.version as release, rel.digest, o.superseded_by is null as current, o.row_count,
           case when bt.recompute is null then null
             when (select recall from recomputes where id = bt.recompute) is null then 'recomputed' else 'recalled' end as recomputed,
           ${recalledJson(sql, { hook: sql`o.hook`, version: sql`run.version`, run: sql`o.run`, record: sql`o.batch_record` })} as recalled
    from unnest(${arrayText(batchRecords)}::text::bigint[]) as g (id)
    cross join lateral (
      select * from outcomes where batch_record = g.id and status in ('passed', 'rejected') order by id
      limit ${mostResults}) o
    cross join lateral (select batch, version, finished_at from runs where id = o.run offset 0) run
    cross join lateral (select recompute from batches where id = run.batch offset 0) bt
    cross join lateral (
      select digest from releases where hook = o.hook and version = run.version offset 0) rel
    order by o.id`;
  const rows = await rowsOf(sql, outcomes);
  const results = new Map<string, StoredResult[]>();
  for (const { id, of, ...result } of outcomes) {
    const list = results.get(of) ?? [];
    list.push({ ...result, rows: rows.get(id) ?? [] });
    results.set(of, list);
  }
  return results;
}

type Rows = StoredResult['rows'][number];

/** The first rows of each outcome, in one statement for each hook. */
async function rowsOf(sql: Sql, outcomes: readonly Outcome[]): Promise<ReadonlyMap<string, Rows[]>> {
  const found = new Map<string, Rows[]>();
  for (const hook of new Set(outcomes.map((outcome) => outcome.hook))) {
    const ids = outcomes
      .filter((outcome) => outcome.hook === hook && outcome.row_count > 0)
      .map(({ id }) => id);
    const rows = await sql<{ outcome: string; id: string; ordinal: number; row: string }[]>`
      select o.id as outcome, f.id, f.ordinal, f.row
      from unnest(${arrayText(ids)}::text::bigint[]) as o (id)
      cross join lateral (
        select f.id, f.ordinal, row_to_json(f)::text as row
        from ${sql(`features.${HookName.parse(hook)}`)} f
        where f.outcome_id = o.id order by f.ordinal limit ${mostRows}) f
      order by o.id, f.ordinal`;
    for (const { outcome, id, ordinal, row } of rows) {
      const values = rowValues(parseExactJson(row) as Record<string, unknown>);
      const list = found.get(outcome) ?? [];
      list.push({ name: `${hook}/${id}`, id: Number(id), ordinal, values });
      found.set(outcome, list);
    }
  }
  return found;
}
