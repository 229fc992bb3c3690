import type { Answer } from '../../api/index.ts';
import type { Sql } from '../connection/connect.ts';
import { releaseColumns } from '../registry/reads.ts';
import { digest, utc } from '../wire.ts';
import { attemptColumns, logPrunedAt, oomRetries } from './columns.ts';
import { recalledJson } from './recall/recalled.ts';

/** The parts that several answers of a trace share, as JSON. */

export type StoredRelease = Omit<Answer<'traceRow'>['release'], 'config_digest' | 'config'> & {
  readonly config: NonNullable<Answer<'traceRow'>['release']['config']>;
};

/** Selects `runs run` of `batches bt` as JSON, with its attempts. */
export function runJson(sql: Sql) {
  return sql`(select to_jsonb(t) from (
    select run.id, run.batch, run.status, run.row_count, ${utc(sql, sql`run.started_at`)} as started_at,
           ${utc(sql, sql`run.finished_at`)} as finished_at, ${utc(sql, sql`bt.snapshot_at`)} as snapshot_at,
           ${digest(sql, sql`run.input_digest`)} as input_digest,
           ${digest(sql, sql`run.output_digest`)} as output_digest, ${oomRetries(sql)} as oom_retries,
           bt.convention, bt.ingestion, bt.recompute, ${logPrunedAt(sql, sql`run.id`)} as log_pruned_at,
           ${recalledJson(sql, { hook: sql`run.hook`, version: sql`run.version`, run: sql`run.id` })} as recalled,
           coalesce((select jsonb_agg(to_jsonb(tried) order by tried.n) from (
             select ${attemptColumns(sql)} from attempts a where a.run = run.id) tried), '[]') as attempts) t)`;
}

/** Selects `releases r` as JSON, with `actors a` who built it and `hooks h`. */
export function releaseJson(sql: Sql) {
  return sql`(select to_jsonb(t) from (
    select ${releaseColumns(sql)}, h.live_version,
           ${recalledJson(sql, { hook: sql`r.hook`, version: sql`r.version` })} as recalled,
           (select jsonb_build_object('kind', c.kind, 'at', ${utc(sql, sql`c.at`)},
                     'actor', jsonb_build_object('issuer', who.issuer, 'subject', who.subject))
            from live_changes c join actors who on who.id = c.actor
            where c.hook = r.hook and c.to_version = r.version order by c.seq limit 1) as introduced_by) t)`;
}

/** Selects `hooks h` as JSON. */
export function hookJson(sql: Sql) {
  return sql`jsonb_build_object('name', h.name, 'owner', h.owner, 'feature', h.feature)`;
}

/** Sums over `runs run`, of the counts that each keeps of what can be read. */
export function madeColumns(sql: Sql) {
  return sql`count(*)::float8 as runs, coalesce(sum(run.published_records), 0)::float8 as records,
    coalesce(sum(run.published_rows), 0)::float8 as rows, min(run.finished_at) as first_at,
    max(run.finished_at) as last_at`;
}
