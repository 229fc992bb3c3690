import type { Answer } from '../../api/index.ts';
import { HookName } from '../../hook/hook.ts';
import type { Page } from '../../hook/registry.ts';
import type { Impacts, ReleaseName, Selection } from '../../trace/impacts.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { isShown } from '../deposition/private.ts';
import { madeColumns } from './parts.ts';
import { sumOf } from './runs.ts';

export function impacts(sql: Sql): Impacts {
  return {
    select: (selection, most) => select(sql, selection, most),
    made: (releases) => made(sql, releases),
    rows: (releases, page) => rows(sql, releases, page),
  };
}

async function select(sql: Sql, selection: Selection, most: number): Promise<ReleaseName[]> {
  const where = {
    releases: () => sql`(r.hook, r.version) in (${namedReleases(sql, releasesOf(selection))})`,
    digest: () => sql`r.digest = ${selection.by === 'digest' ? selection.digest : ''}`,
    builder: () => sql`a.subject = ${selection.by === 'builder' ? selection.subject : ''}`,
    commits: () => sql`(
      ${isOfCommits(sql, sql`r.source_ref`, selection)} or (
        select true from release_sources s
        where s.hook = r.hook and s.version = r.version and ${isOfCommits(sql, sql`s.source_ref`, selection)} limit 1))`,
  }[selection.by]();
  return sql<ReleaseName[]>`
    select r.hook, r.version from releases r join actors a on a.id = r.built_by
    where ${where} order by r.hook, r.version limit ${most}`;
}

function releasesOf(selection: Selection): readonly ReleaseName[] {
  return selection.by === 'releases' ? selection.releases : [];
}

function namedReleases(sql: Sql, releases: readonly ReleaseName[]) {
  return sql`
    select hook, version from unnest(
      ${arrayText(releases.map(({ hook }) => hook))}::text::text[],
      ${arrayText(releases.map(({ version }) => version))}::text::integer[]) as named (hook, version)`;
}

/** A source names its commit after the last `@`. */
function isOfCommits(sql: Sql, ref: ReturnType<typeof namedReleases>, selection: Selection) {
  const commits = selection.by === 'commits' ? selection.commits : [];
  return sql`exists (
    select from unnest(${arrayText(commits)}::text::text[]) as c (commit)
    where starts_with(substring(${ref} from '@([0-9a-f]{12,64})(?:-dirty)?$'), c.commit))`;
}

async function made(sql: Sql, releases: readonly ReleaseName[]): Promise<Answer<'impact'>> {
  type Release = Answer<'impact'>['releases'][number];
  type Row = Omit<Release, 'made'> & Release['made'];
  const listed = await sql<Row[]>`
    select r.hook, r.version, r.digest, r.source_ref, a.subject as built_by, r.built_at, h.live_version, made.*
    from (${namedReleases(sql, releases)}) n
    cross join lateral (select * from releases where hook = n.hook and version = n.version offset 0) r
    join actors a on a.id = r.built_by
    join hooks h on h.name = r.hook
    cross join lateral (
      select ${madeColumns(sql)} from runs run
      where run.hook = n.hook and run.version = n.version and run.finished_at is not null
        and ${isShown(sql, sql`run.batch`)} offset 0) made
    order by r.hook, r.version`;
  // Several hooks ran over the records of a batch, so a batch counts once.
  const conventions = await sql<Answer<'impact'>['conventions']>`
    select bt.convention, sum(b.runs)::float8 as runs, sum(b.records)::float8 as records, sum(b.rows)::float8 as rows,
           min(b.first_at) as first_at, max(b.last_at) as last_at
    from (
      select run.batch, count(*) as runs, coalesce(max(run.published_records), 0) as records,
             coalesce(sum(run.published_rows), 0) as rows, min(run.finished_at) as first_at,
             max(run.finished_at) as last_at
      from (${namedReleases(sql, releases)}) n
      cross join lateral (
        select * from runs where hook = n.hook and version = n.version and finished_at is not null
          and ${isShown(sql, sql`runs.batch`)} offset 0) run
      group by run.batch) b
    cross join lateral (select convention from batches where id = b.batch offset 0) bt
    group by bt.convention order by bt.convention`;
  return {
    made: sumOf(conventions),
    conventions,
    releases: listed.map(({ runs, records, rows, first_at, last_at, ...release }) => {
      return { ...release, made: { runs, records, rows, first_at, last_at } };
    }),
  };
}

type Item = Answer<'impactRows'>['items'][number];

/** The last row of a page. */
interface Place extends ReleaseName {
  readonly run: string;
  readonly record: string;
  readonly ordinal: number;
}

type Placed = Item & { readonly place: Place };

const pages = pagesOf('impactRows');

/** Release by release, run by run, outcome by outcome, each by its key, so that a page costs what it holds. */
async function rows(
  sql: Sql,
  releases: readonly ReleaseName[],
  { cursor, limit }: Page,
): Promise<Answer<'impactRows'>> {
  const after = placeOf(pages.after(cursor)?.id);
  const found: Placed[] = [];
  for (const release of releases) {
    if (after && compared(release, after) < 0) continue;
    const start = after && compared(release, after) === 0 ? after : undefined;
    await addRows(sql, release, { start, found, wanted: limit + 1 });
    if (found.length > limit) break;
  }
  const { page, ...next } = pages.cut(found, limit, ({ place: { hook, version, run, record, ordinal } }) => ({
    s: null,
    id: [hook, version, run, record, ordinal].join(' '),
  }));
  return { items: page.map(({ place: _place, ...item }) => item), ...next };
}

function placeOf(text: string | number | undefined): Place | undefined {
  if (text === undefined) return undefined;
  const [hook = '', version, run = '', record = '', ordinal] = String(text).split(' ');
  return { hook, version: Number(version), run, record, ordinal: Number(ordinal) };
}

function compared(one: ReleaseName, other: ReleaseName): number {
  if (one.hook !== other.hook) return one.hook < other.hook ? -1 : 1;
  return one.version - other.version;
}

interface Walk {
  readonly start: Place | undefined;
  readonly found: Placed[];
  readonly wanted: number;
}

async function addRows(sql: Sql, release: ReleaseName, { start, found, wanted }: Walk): Promise<void> {
  const runs = await sql<{ id: string }[]>`
    select id from runs
    where hook = ${release.hook} and version = ${release.version} and published_rows > 0
      and id >= ${start?.run ?? '00000000-0000-0000-0000-000000000000'}
    order by id`;
  for (const { id: run } of runs) {
    let after = start?.run === run ? { record: start.record, ordinal: start.ordinal } : undefined;
    for (;;) {
      const missing = wanted - found.length;
      const outcomes = await sql<{ id: string; batch_record: string }[]>`
        select id, batch_record from outcomes
        where run = ${run} and batch_record >= ${after?.record ?? '0'}::text::bigint
        order by batch_record limit ${missing}`;
      const last = outcomes.at(-1)?.batch_record;
      const rows = await rowsOf(sql, { ...release, run }, { outcomes, after, missing });
      found.push(...rows);
      if (found.length >= wanted) return;
      if (last === undefined || outcomes.length < missing) break;
      after = { record: String(BigInt(last) + 1n), ordinal: -1 };
    }
  }
}

async function rowsOf(
  sql: Sql,
  { hook, version, run }: Pick<Place, 'hook' | 'version' | 'run'>,
  step: {
    readonly outcomes: readonly { readonly id: string }[];
    readonly after: { readonly record: string; readonly ordinal: number } | undefined;
    readonly missing: number;
  },
): Promise<Placed[]> {
  type Row = Omit<Item, 'id' | 'name' | 'release'> & { id: string; batch_record: string; ordinal: number };
  const rows = await sql<Row[]>`
    select f.id, p.srn as record_srn, p.convention, p.source_id, o.superseded_by is null as current, o.batch_record,
           f.ordinal
    from unnest(${arrayText(step.outcomes.map(({ id }) => id))}::text::bigint[]) as given (id)
    cross join lateral (
      select id, batch_record, superseded_by from outcomes where id = given.id and row_count > 0 offset 0) o
    cross join lateral (
      select srn, convention, source_id from published where batch_record = o.batch_record offset 0) p
    cross join lateral (
      select id, ordinal from ${sql(`features.${HookName.parse(hook)}`)}
      where outcome_id = o.id and (${step.after?.record ?? '0'}::text::bigint < o.batch_record or ordinal > ${step.after?.ordinal ?? -1})
      order by ordinal limit ${step.missing}) f
    order by o.batch_record, f.ordinal limit ${step.missing}`;
  return rows.map(({ id, batch_record, ordinal, ...row }) => ({
    name: `${hook}/${id}`,
    id: Number(id),
    release: version,
    ...row,
    place: { hook, version, run, record: batch_record, ordinal },
  }));
}
