import { validate as isUuid } from 'uuid';
import { parseRecordSrn } from '../../record/srn.ts';
import type { Chosen, ReleaseName, Selection } from '../../trace/impacts.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import type { Fragment } from '../data/visible.ts';
import { isShown } from '../deposition/private.ts';

/** Selects by a fact of the supply chain, with the runs that belong to it. */
export async function choose(sql: Sql, selection: Selection, most: number): Promise<Chosen> {
  const none: Chosen = { releases: [], platform: null, record: null };
  switch (selection.by) {
    case 'record':
      return { ...none, record: await recordKey(sql, selection.srn) };
    case 'digest':
      return {
        ...none,
        releases: await releases(sql, sql`r.digest = ${selection.digest}`, most),
        platform: (await hasRun(sql, selection.digest)) ? selection.digest : null,
      };
    case 'builder':
      return { ...none, releases: await releases(sql, sql`a.subject = ${selection.subject}`, most) };
    case 'commits':
      return { ...none, releases: await releases(sql, isOfCommits(sql, selection.commits), most) };
    case 'releases': {
      const named = sql`(r.hook, r.version) in (${namedReleases(sql, selection.releases)})`;
      return { ...none, releases: await releases(sql, named, most) };
    }
  }
}

function releases(sql: Sql, where: Fragment, most: number): Promise<ReleaseName[]> {
  return sql<ReleaseName[]>`
    select r.hook, r.version from releases r join actors a on a.id = r.built_by
    where ${where} order by r.hook, r.version limit ${most}`;
}

/** By the source of a release. If that is not a clean commit, also by the first commit that holds its bytes. */
function isOfCommits(sql: Sql, commits: readonly string[]): Fragment {
  return sql`exists (
    select from (select committed_source(r.hook, r.version) as committed offset 0) s
    cross join unnest(${arrayText(commits)}::text::text[]) as c (commit)
    where names_commit(r.source_ref, c.commit) or names_commit(s.committed, c.commit))`;
}

async function hasRun(sql: Sql, platform: string): Promise<boolean> {
  return (await sql`select from attempts where platform_digest = ${platform} limit 1`).length > 0;
}

async function recordKey(sql: Sql, srn: string): Promise<string | null> {
  const name = parseRecordSrn(srn);
  if (!name || !isUuid(name.id)) return null;
  const [row] = await sql<{ batch_record: string }[]>`
    select batch_record from published
    where record_id = ${name.id}::text::uuid and version = ${name.version} and srn = ${srn}`;
  return row?.batch_record ?? null;
}

export function namedReleases(sql: Sql, named: readonly ReleaseName[]): Fragment {
  return sql`
    select hook, version from unnest(
      ${arrayText(named.map(({ hook }) => hook))}::text::text[],
      ${arrayText(named.map(({ version }) => version))}::text::integer[]) as named (hook, version)`;
}

/** The runs that are over, each once, with the records and rows that count: `hook, version, batch, records, rows, finished_at`. */
export function touchedRuns(sql: Sql, { releases: named, platform, record }: Chosen): Fragment {
  const columns = () => sql`run.hook, run.version, run.batch, run.finished_at`;
  const counts = () => sql`run.published_records as records, run.published_rows as rows`;
  let runs = sql`
    select ${columns()}, ${counts()} from (${namedReleases(sql, named)}) n
    cross join lateral (
      select * from runs where hook = n.hook and version = n.version and finished_at is not null
        and ${isShown(sql, sql`runs.batch`)} offset 0) run`;
  if (platform !== null) {
    runs = sql`${runs} union all
      select ${columns()}, ${counts()} from (select distinct run from attempts where platform_digest = ${platform}) a
      cross join lateral (select * from runs where id = a.run and finished_at is not null
        and ${isShown(sql, sql`runs.batch`)} offset 0) run
      where (run.hook, run.version) not in (${namedReleases(sql, named)})`;
  }
  if (record !== null) {
    runs = sql`${runs} union all
      select ${columns()}, 1 as records, o.row_count as rows
      from (select run, row_count from outcomes where batch_record = ${record}::text::bigint and status = 'passed' offset 0) o
      cross join lateral (select * from runs where id = o.run offset 0) run`;
  }
  return runs;
}

/** The releases that have runs of what was chosen, in their order. */
export async function touchedReleases(sql: Sql, chosen: Chosen): Promise<readonly ReleaseName[]> {
  if (chosen.platform === null && chosen.record === null) return chosen.releases;
  return sql<ReleaseName[]>`
    select hook, version from (${namedReleases(sql, chosen.releases)}) n
    union select hook, version from (${touchedRuns(sql, chosen)}) t
    order by hook, version`;
}

/** The next runs of a release that belong to it, from a run on, and which have rows. */
export async function runsFrom(
  sql: Sql,
  {
    chosen,
    release,
    from,
    most,
  }: {
    readonly chosen: Chosen;
    readonly release: ReleaseName;
    readonly from: string;
    readonly most: number;
  },
): Promise<readonly string[]> {
  const { hook, version } = release;
  const belongs = isChosen(chosen, release)
    ? sql`true`
    : sql`(
        exists (select from attempts a where a.run = runs.id and a.platform_digest = ${chosen.platform})
        or exists (select from outcomes o where o.run = runs.id and o.batch_record = ${chosen.record}::text::bigint))`;
  const rows = await sql<{ id: string }[]>`
    select id from runs
    where hook = ${hook} and version = ${version} and published_rows > 0 and id >= ${from} and ${belongs}
    order by id limit ${most}`;
  return rows.map(({ id }) => id);
}

/** Whether all runs of a release belong to it. */
export function isChosen({ releases: named }: Chosen, { hook, version }: ReleaseName): boolean {
  return named.some((release) => release.hook === hook && release.version === version);
}
