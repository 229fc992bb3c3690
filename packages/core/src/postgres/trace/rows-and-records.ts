import { validate as isUuid } from 'uuid';
import type { Answer } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import { parseExactJson } from '../../json/exact.ts';
import { bounds } from '../../limits.ts';
import { parseRecordSrn } from '../../record/srn.ts';
import type { Tracer } from '../../trace/tracer.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { databaseError } from '../connection/sqlstate.ts';
import { rowValues } from '../data/rows.ts';
import { depositionOf } from '../deposition/submissions.ts';
import { rowReplays } from '../recompute/replay/certificates.ts';
import { utc } from '../wire.ts';
import { logPrunedAt } from './columns.ts';
import { type Facts, facts } from './facts.ts';
import { noNotices, noticesOfRow, type RowNotices } from './notices.ts';
import { recalledJson } from './recall/recalled.ts';

export function tracer({ sql }: Pick<Database, 'sql'>): Tracer {
  const known = facts(sql);
  return { row: (hook, id) => row(sql, known, hook, id), record: (srn) => record(sql, srn) };
}

type RowTrace = Answer<'traceRow'>;

/** The columns of a published record `r`, from batch `bt`; `metadata` comes apart, as text. */
function recordColumns(sql: Sql) {
  return sql`r.srn, r.version, r.convention, r.source_id, ${utc(sql, sql`r.published_at`)} as published_at, bt.ingestion, r.line,
    jsonb_build_object('id', r.schema_id, 'version', r.schema_version) as schema_id,
    (select max(n.version) from records n where n.record_id = r.record_id)
      as newest_version, ${recalledJson(sql, { record: sql`r.batch_record` })} as recalled`;
}

interface Found {
  readonly run_id: string;
  readonly ordinal: number;
  readonly values: string;
  readonly current: boolean;
  readonly successor: string | null;
  readonly record_id: string;
  readonly version: number;
  readonly record_set: number;
  readonly published_at: string;
  readonly source_id: string;
  readonly batch: string;
  readonly line: number;
  readonly metadata: string;
  readonly newest_version: number;
  readonly live_version: number | null;
  readonly has_sources: boolean;
  readonly log_pruned_at: string | null;
  readonly outcome: string;
  readonly batch_record: string;
  readonly has_recalls: boolean;
  readonly has_replays: boolean;
}

/**
 * Row → record → run → release → hook. One statement reads the row, its record and what changes; the rest is the facts of
 * its run and release, which cannot contradict it.
 */
async function row(sql: Sql, facts: Facts, hook: string, id: number): Promise<RowTrace | undefined> {
  const [found] = await sql<Found[]>`
    select f.run_id, f.ordinal, row_to_json(f)::text as values, o.superseded_by is null as current,
      o.superseded_by as successor, r.record_id, r.version, r.record_set, r.published_at,
      b.source_id, b.batch, b.line, b.metadata::text as metadata,
      (select max(version) from records where record_id = r.record_id) as newest_version,
      (select live_version from hooks where name = ${hook}) as live_version,
      exists (select from release_sources where hook = ${hook}) as has_sources,
      ${logPrunedAt(sql, sql`f.run_id`)} as log_pruned_at,
      o.id as outcome, o.batch_record, exists (select from recalls) as has_recalls,
      exists (select from replay_certificates where outcome = o.id) as has_replays
    from ${sql(`features.${hook}`)} f
    join outcomes o on o.id = f.outcome_id
    join records r on r.batch_record = o.batch_record
    join batch_records b on b.id = r.batch_record
    where f.id = ${id}`.catch(noRows);
  if (!found) return undefined;
  const run = await facts.run(found.run_id);
  const release = run && (await facts.release(hook, run.version, found.has_sources));
  const [set, came, ran] = [
    await facts.recordSet(found.record_set),
    await facts.batch(found.batch),
    run && (await facts.batch(run.run.batch)),
  ];
  if (!release || !set || !came || !ran) {
    throw new OsaError('internal', `row ${hook}/${id} has no run, release, batch or set`);
  }
  const recalled = found.has_recalls ? await noticesOf(sql, found) : noNotices;
  return {
    row: {
      name: `${hook}/${id}`,
      id,
      ordinal: found.ordinal,
      current: found.current,
      superseded_by: found.successor === null ? null : await successor(sql, hook, found.successor),
      recalled: recalled.row,
      values: rowValues(parseObject(found.values)),
      replays: found.has_replays ? await replaysOf(sql, found) : noReplays,
    },
    record: {
      srn: `urn:osa:${set.domain}:rec:${found.record_id}@${found.version}`,
      version: found.version,
      newest_version: found.newest_version,
      convention: set.convention,
      schema_id: set.schema_id,
      source_id: found.source_id,
      ingestion: came.ingestion,
      line: found.line,
      published_at: found.published_at,
      recalled: recalled.record,
      deposition: came.deposition,
      metadata: parseObject(found.metadata),
    },
    run: {
      ...run.run,
      ...{ snapshot_at: ran.snapshot_at, log_pruned_at: found.log_pruned_at, recalled: recalled.run },
    },
    release: {
      ...release.release,
      is_live: found.live_version === run.version,
      live_version: found.live_version,
      recalled: recalled.release,
    },
    hook: release.hook,
  };
}

const noReplays = { identical: 0, differs: 0, cannot: 0, last: null };

/** Few rows were replayed, and few archives have recalls; a statement with both parts would cost each trace ten times as much. */
async function replaysOf(sql: Sql, { outcome, ordinal }: Found): Promise<RowTrace['row']['replays']> {
  const [found] = await sql<{ replays: RowTrace['row']['replays'] }[]>`
    select ${rowReplays(sql, sql`${outcome}::text::bigint`, sql`${ordinal}::integer`)} as replays`;
  return found?.replays ?? noReplays;
}

async function noticesOf(sql: Sql, { run_id, batch_record }: Found): Promise<RowNotices> {
  const [found] = await sql<{ recalled: RowNotices | null }[]>`
    select ${noticesOfRow(sql)} as recalled
    from (select ${run_id}::text::uuid as run_id) f, (select ${batch_record}::text::bigint as batch_record) r`;
  return found?.recalled ?? noNotices;
}

/** How many rows of a successor are named. */
const namedRows = 10;

/** An outcome of a hook that has taken the place of another one, and why. None of it changes. */
async function successor(sql: Sql, hook: string, outcome: string): Promise<RowTrace['row']['superseded_by']> {
  const [found] = await sql<{ successor: RowTrace['row']['superseded_by'] }[]>`
    select jsonb_build_object(
      'status', n.status, 'rejection', n.reason, 'release', made.version, 'run_id', made.id,
      'at', ${utc(sql, sql`made.finished_at`)}, 'recompute_id', c.id, 'recall_id', c.recall, 'reason', c.reason,
      'is_heal', c.healed_seq is not null, 'row_count', n.row_count,
      'rows', coalesce((select jsonb_agg(${hook}::text || '/' || s.id order by s.id)
                        from (select id from ${sql(`features.${hook}`)} where outcome_id = n.id
                              order by ordinal limit ${namedRows}) s), '[]')) as successor
    from (select * from outcomes where id = ${outcome} offset 0) n
    cross join lateral (select id, version, finished_at from runs where id = n.run offset 0) made
    cross join lateral (select recompute from batches where id = n.batch offset 0) b
    cross join lateral (select id, reason, healed_seq, recall from recomputes where id = b.recompute offset 0) c`;
  return found?.successor ?? null;
}

type RecordTrace = Answer<'traceRecord'>;

async function record(sql: Sql, srn: string): Promise<RecordTrace | undefined> {
  type Row = Omit<RecordTrace['record'], 'metadata'> & { metadata: string; rows: string; row_count: number };
  const name = parseRecordSrn(srn);
  if (!name || !isUuid(name.id)) return undefined;
  const [found] = await sql<Row[]>`
    select ${recordColumns(sql)}, r.metadata::text as metadata,
      coalesce((select json_agg(json_build_object(
          'name', f.hook || '/' || f.id, 'hook', f.hook, 'id', f.id, 'ordinal', f.ordinal,
          'current', o.superseded_by is null, 'run_id', run.id, 'release', run.version, 'digest', rel.digest,
          'is_live', run.version is not distinct from live.live_version, 'live_version', live.live_version,
          'recalled', ${recalledJson(sql, { hook: sql`run.hook`, version: sql`run.version`, run: sql`run.id`, record: sql`r.batch_record` })},
          'values', f.columns) order by f.hook, f.id)
        from rows_of_record(r.batch_record, ${bounds.tracedRows}) f
        cross join lateral (select run, superseded_by from outcomes where id = f.outcome_id offset 0) o
        cross join lateral (select id, hook, version from runs where id = o.run offset 0) run
        cross join lateral (select live_version from hooks where name = run.hook offset 0) live
        join releases rel on rel.hook = run.hook and rel.version = run.version), '[]')::text as rows,
      (select coalesce(sum(o.row_count), 0)::float8 from outcomes o where o.batch_record = r.batch_record) as row_count
    from (
      select batch_record from records
      where record_id = ${name.id}::text::uuid and version = ${name.version} offset 0) k
    cross join lateral (select * from published where batch_record = k.batch_record offset 0) r
    cross join lateral (select * from batches where id = r.batch offset 0) bt
    where r.srn = ${srn}`;
  if (!found) return undefined;
  const { rows, row_count, metadata, ...rest } = found;
  return {
    record: { ...rest, metadata: parseObject(metadata) },
    deposition: await depositionOf(sql, rest.ingestion),
    rows: (parseExactJson(rows) as RecordTrace['rows']).map((row) => ({
      ...row,
      values: rowValues(row.values),
    })),
    row_count,
  };
}

function parseObject(text: string): Record<string, unknown> {
  return parseExactJson(text) as Record<string, unknown>;
}

/** A hook without a feature table is a hook that does not exist, since both are made together. */
function noRows(error: unknown): [] {
  if (databaseError(error)?.code === '42P01') return [];
  throw error;
}
