import { validate as isUuid } from 'uuid';
import type { Answer } from '../api/index.ts';
import { parseExactJson } from '../json/exact.ts';
import { bounds } from '../limits.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { Tracer } from '../trace/tracer.ts';
import type { Database, Sql } from './connection/connect.ts';
import { databaseError } from './connection/sqlstate.ts';
import { rowValues } from './data/rows.ts';
import { releaseColumns, withConfigDigest } from './registry/reads.ts';
import { digest, utc } from './wire.ts';

export function tracer({ sql }: Pick<Database, 'sql'>): Tracer {
  return { row: (hook, id) => row(sql, hook, id), record: (srn) => record(sql, srn) };
}

type RowTrace = Answer<'traceRow'>;
type Traced = Omit<RowTrace, 'row' | 'record' | 'release'> & {
  readonly current: boolean;
  readonly ordinal: number;
  readonly values: string;
  readonly metadata: string;
  readonly record: Omit<RowTrace['record'], 'metadata'>;
  readonly release: Omit<RowTrace['release'], 'config_digest'>;
};

/** The columns of a published record `r`, from batch `bt`; `metadata` comes apart, as text. */
function recordColumns(sql: Sql) {
  return sql`r.srn, r.version, r.convention, r.source_id, ${utc(sql, sql`r.published_at`)} as published_at, bt.ingestion, r.line,
    jsonb_build_object('id', r.schema_id, 'version', r.schema_version) as schema_id,
    (select max(n.version) from records n where n.record_id = r.record_id)
      as newest_version`;
}

/** How often `run` was started again with more memory: within one claim, after an attempt that ran out of it. */
export function oomRetries(sql: Sql) {
  return sql`(
    select count(*)::integer from attempts a join attempts b on b.run = a.run and b.n = a.n + 1 and b.fence = a.fence
    where a.run = run.id and a.ending = 'out_of_memory')`;
}

/** What every reading of an attempt selects, from `attempts a`. */
export function attemptColumns(sql: Sql) {
  return sql`a.n, a.runner, a.memory_bytes, a.ending, a.exit_code, a.exit_signal, a.detail, a.resolved_digest,
    a.platform_digest, ${utc(sql, sql`a.started_at`)} as started_at, ${utc(sql, sql`a.finished_at`)} as finished_at`;
}

/** Row → record → run → release → hook, in one prepared statement for each hook. */
async function row(sql: Sql, hook: string, id: number): Promise<RowTrace | undefined> {
  const found = await sql<Traced[]>`
    select row_to_json(f)::text as values, f.ordinal, r.metadata::text as metadata,
      o.superseded_by is null as current,
      (select to_jsonb(t) from (select ${recordColumns(sql)}) t) as record,
      (select to_jsonb(t) from (
        select run.id, run.batch, run.status, run.row_count, ${utc(sql, sql`run.started_at`)} as started_at,
               ${utc(sql, sql`run.finished_at`)} as finished_at, ${utc(sql, sql`bt.snapshot_at`)} as snapshot_at,
               ${digest(sql, sql`run.input_digest`)} as input_digest,
               ${digest(sql, sql`run.output_digest`)} as output_digest, ${oomRetries(sql)} as oom_retries,
               (select jsonb_agg(to_jsonb(tried) order by tried.n) from (
                 select ${attemptColumns(sql)} from attempts a where a.run = run.id) tried) as attempts) t) as run,
      (select to_jsonb(t) from (
        select ${releaseColumns(sql)}, h.live_version,
               (select jsonb_build_object('kind', c.kind, 'at', ${utc(sql, sql`c.at`)},
                         'actor', jsonb_build_object('issuer', who.issuer, 'subject', who.subject))
                from live_changes c join actors who on who.id = c.actor
                where c.hook = r.hook and c.to_version = r.version order by c.seq limit 1) as introduced_by
        from (select rel.*) r) t) as release,
      jsonb_build_object('name', h.name, 'owner', h.owner, 'feature', h.feature) as hook
    from ${sql(`features.${hook}`)} f
    join outcomes o on o.id = f.outcome_id
    join batches bt on bt.id = o.batch
    join published r on r.batch_record = o.batch_record
    join runs run on run.id = f.run_id
    join releases rel on rel.hook = run.hook and rel.version = run.version
    join actors a on a.id = rel.built_by
    join hooks h on h.name = run.hook
    where f.id = ${id}`.catch(noRows);
  const [traced] = found;
  if (!traced) return undefined;
  const { values, metadata, current, ordinal, ...story } = traced;
  return {
    ...story,
    row: { name: `${hook}/${id}`, id, ordinal, current, values: rowValues(parseObject(values)) },
    record: { ...story.record, metadata: parseObject(metadata) },
    release: withConfigDigest(story.release),
  };
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
          'values', f.columns) order by f.hook, f.id)
        from rows_of_record(r.batch_record, ${bounds.tracedRows}) f
        cross join lateral (select run, superseded_by from outcomes where id = f.outcome_id offset 0) o
        cross join lateral (select id, hook, version from runs where id = o.run offset 0) run
        join releases rel on rel.hook = run.hook and rel.version = run.version), '[]')::text as rows,
      (select coalesce(sum(o.row_count), 0)::float8 from outcomes o where o.batch_record = r.batch_record) as row_count
    from published r
    join batches bt on bt.id = r.batch
    where r.record_id = ${name.id}::text::uuid and r.version = ${name.version} and r.srn = ${srn}`;
  if (!found) return undefined;
  const { rows, row_count, metadata, ...rest } = found;
  return {
    record: { ...rest, metadata: parseObject(metadata) },
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
