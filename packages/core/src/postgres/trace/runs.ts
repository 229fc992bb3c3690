import type { Answer } from '../../api/index.ts';
import type { Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';
import { runReplays } from '../recompute/replay/certificates.ts';
import { withConfigDigest } from '../registry/reads.ts';
import { utc } from '../wire.ts';
import { hookJson, madeColumns, releaseJson, runJson, type StoredRelease } from './parts.ts';
import { recalledJson } from './recall/recalled.ts';

type RunTrace = Answer<'traceRun'>;

/** Rows and live changes that are listed with a run or a release. */
const listed = 20;

export async function run(sql: Sql, id: string): Promise<RunTrace | undefined> {
  type Row = Omit<RunTrace, 'release' | 'rows'> & { release: StoredRelease };
  const [found] = await sql<Row[]>`
    select ${runJson(sql)} as run, ${releaseJson(sql)} as release, ${hookJson(sql)} as hook,
      (select jsonb_build_object('passed', count(*) filter (where o.status = 'passed'),
                                 'rejected', count(*) filter (where o.status = 'rejected'),
                                 'errored', count(*) filter (where o.status = 'errored'))
       from outcomes o where o.run = run.id) as outcomes,
      ${runReplays(sql, sql`run.id`)} as replays
    from runs run
    join batches bt on bt.id = run.batch
    join releases r on r.hook = run.hook and r.version = run.version
    join actors a on a.id = r.built_by
    join hooks h on h.name = run.hook
    where run.id = ${id} and ${isShown(sql, sql`run.batch`)}`;
  if (!found) return undefined;
  const rows = await sql<(Omit<RunTrace['rows'][number], 'id'> & { id: string })[]>`
    select f.id, ${`${found.hook.name}/`} || f.id as name, r.srn as record_srn, r.source_id
    from (select id, batch_record from outcomes where run = ${id} and row_count > 0 order by batch_record offset 0) o
    cross join lateral (select srn, source_id from published where batch_record = o.batch_record offset 0) r
    cross join lateral (
      select id, ordinal from ${sql(`features.${found.hook.name}`)} where outcome_id = o.id order by ordinal
      limit ${listed}) f
    limit ${listed}`;
  return {
    ...found,
    release: withConfigDigest(found.release),
    rows: rows.map((row) => ({ ...row, id: Number(row.id) })),
  };
}

type ReleaseTrace = Answer<'traceRelease'>;

export async function release(sql: Sql, hook: string, version: number): Promise<ReleaseTrace | undefined> {
  type Row = Pick<ReleaseTrace, 'hook' | 'live_changes'> & { release: StoredRelease };
  const [found] = await sql<Row[]>`
    select ${releaseJson(sql)} as release, ${hookJson(sql)} as hook,
      coalesce((select jsonb_agg(to_jsonb(c) order by c.seq desc) from (
        select c.seq, c.kind, c.from_version, c.to_version, c.reason, ${utc(sql, sql`c.at`)} as at,
               jsonb_build_object('issuer', who.issuer, 'subject', who.subject) as actor
        from live_changes c join actors who on who.id = c.actor
        where c.hook = r.hook and (c.to_version = r.version or c.from_version = r.version)
        order by c.seq desc limit ${listed}) c), '[]') as live_changes
    from releases r join actors a on a.id = r.built_by join hooks h on h.name = r.hook
    where r.hook = ${hook} and r.version = ${version}`;
  if (!found) return undefined;
  const conventions = await sql<ReleaseTrace['conventions']>`
    select bt.convention, ${madeColumns(sql)}
    from runs run cross join lateral (select convention from batches where id = run.batch offset 0) bt
    where run.hook = ${hook} and run.version = ${version} and run.finished_at is not null
      and ${isShown(sql, sql`run.batch`)}
    group by bt.convention order by bt.convention`;
  return { ...found, release: withConfigDigest(found.release), conventions, made: sumOf(conventions) };
}

export async function deployed(
  sql: Sql,
  hooks: readonly { readonly name: string; readonly version: number; readonly created: boolean }[],
): Promise<Answer<'traceDeploy'>['releases']> {
  const found = await Promise.all(
    hooks.map(async ({ name, version, created }) => {
      type Row = Omit<Answer<'traceDeploy'>['releases'][number], 'created' | 'made'> & Made;
      const rows = await sql<Row[]>`
        select r.hook, r.version, r.digest, r.source_ref, h.live_version,
               ${recalledJson(sql, { hook: sql`r.hook`, version: sql`r.version` })} as recalled, made.*
        from releases r join hooks h on h.name = r.hook
        cross join lateral (
          select ${madeColumns(sql)} from runs run
          where run.hook = r.hook and run.version = r.version and run.finished_at is not null
            and ${isShown(sql, sql`run.batch`)}) made
        where r.hook = ${name} and r.version = ${version}`;
      return rows.map(({ runs, records, rows, first_at, last_at, ...named }) => {
        return { ...named, created, made: { runs, records, rows, first_at, last_at } };
      });
    }),
  );
  return found.flat();
}

type Made = ReleaseTrace['made'];

/** Times are RFC 3339 in UTC, whose order is that of their texts. */
export function sumOf(parts: readonly Made[]): Made {
  const sum = (of: (part: Made) => number) => parts.reduce((total, part) => total + of(part), 0);
  const times = (of: (part: Made) => string | null) =>
    parts
      .map(of)
      .filter((at) => at !== null)
      .sort();
  return {
    runs: sum(({ runs }) => runs),
    records: sum(({ records }) => records),
    rows: sum(({ rows }) => rows),
    first_at: times(({ first_at }) => first_at)[0] ?? null,
    last_at: times(({ last_at }) => last_at).at(-1) ?? null,
  };
}
