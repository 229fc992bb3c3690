import type { Answer } from '../../api/index.ts';
import { HookName } from '../../hook/hook.ts';
import type { Page } from '../../hook/registry.ts';
import type { Chosen, Impacts, ReleaseName } from '../../trace/impacts.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { sumOf } from './runs.ts';
import { choose, isChosen, namedReleases, runsFrom, touchedReleases, touchedRuns } from './selection.ts';

export function impacts(sql: Sql): Impacts {
  return {
    select: (selection, most) => choose(sql, selection, most),
    digests: (beginning, most) => digests(sql, beginning, most),
    made: (chosen) => made(sql, chosen),
    rows: (chosen, page) => rows(sql, chosen, page),
  };
}

async function digests(sql: Sql, beginning: string, most: number): Promise<readonly string[]> {
  const found = await sql<{ digest: string }[]>`
    select distinct digest from releases where starts_with(digest, ${beginning}) order by digest limit ${most}`;
  return found.map(({ digest }) => digest);
}

export async function made(sql: Sql, chosen: Chosen): Promise<Answer<'impact'>> {
  type Release = Answer<'impact'>['releases'][number];
  type Row = Omit<Release, 'made'> & Release['made'];
  const listed = await sql<Row[]>`
    with touched as materialized (
      select hook, version, count(*)::float8 as runs, sum(records)::float8 as records, sum(rows)::float8 as rows,
             min(finished_at) as first_at, max(finished_at) as last_at
      from (${touchedRuns(sql, chosen)}) t group by hook, version
    )
    select r.hook, r.version, r.digest, r.source_ref, a.subject as built_by, r.built_at, h.live_version,
           coalesce(t.runs, 0)::float8 as runs, coalesce(t.records, 0)::float8 as records, coalesce(t.rows, 0)::float8 as rows,
           t.first_at, t.last_at
    from (select hook, version from touched union ${namedReleases(sql, chosen.releases)}) n
    cross join lateral (select * from releases where hook = n.hook and version = n.version offset 0) r
    join actors a on a.id = r.built_by
    join hooks h on h.name = r.hook
    left join touched t on t.hook = n.hook and t.version = n.version
    order by r.hook, r.version`;
  // Several hooks ran over the records of a batch, so a batch counts once.
  const conventions = await sql<Answer<'impact'>['conventions']>`
    select bt.convention, sum(b.runs)::float8 as runs, sum(b.records)::float8 as records, sum(b.rows)::float8 as rows,
           min(b.first_at) as first_at, max(b.last_at) as last_at
    from (
      select batch, count(*) as runs, coalesce(max(records), 0) as records, coalesce(sum(rows), 0) as rows,
             min(finished_at) as first_at, max(finished_at) as last_at
      from (${touchedRuns(sql, chosen)}) t group by batch) b
    cross join lateral (select convention from batches where id = b.batch offset 0) bt
    group by bt.convention order by bt.convention`;
  // One version of a record is one record, however many runs made rows of it.
  if (chosen.record !== null)
    for (const of of [...listed, ...conventions]) of.records = Math.min(of.records, 1);
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
async function rows(sql: Sql, chosen: Chosen, { cursor, limit }: Page): Promise<Answer<'impactRows'>> {
  const after = placeOf(pages.after(cursor)?.id);
  const found: Placed[] = [];
  for (const release of await touchedReleases(sql, chosen)) {
    if (after && compared(release, after) < 0) continue;
    const start = after && compared(release, after) === 0 ? after : undefined;
    await addRows(sql, { chosen, release, start, found, wanted: limit + 1 });
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
  readonly chosen: Chosen;
  readonly release: ReleaseName;
  readonly start: Place | undefined;
  readonly found: Placed[];
  readonly wanted: number;
}

/** How many runs are looked up at a time. */
const runsAtATime = 200;

async function addRows(sql: Sql, walk: Walk): Promise<void> {
  const { chosen, release, start, found, wanted } = walk;
  for (let from = start?.run ?? '00000000-0000-0000-0000-000000000000'; ; ) {
    const runs = await runsFrom(sql, { chosen, release, from, most: runsAtATime });
    for (const run of runs) {
      // The last of the runs before begins this part too.
      if (run === from && run !== start?.run) continue;
      await addRowsOfRun(sql, walk, run);
      if (found.length >= wanted) return;
    }
    const last = runs.at(-1);
    if (last === undefined || runs.length < runsAtATime) return;
    from = last;
  }
}

async function addRowsOfRun(
  sql: Sql,
  { chosen, release, start, found, wanted }: Walk,
  run: string,
): Promise<void> {
  const isWhole = isChosen(chosen, release);
  let after = start?.run === run ? { record: start.record, ordinal: start.ordinal } : undefined;
  for (;;) {
    const missing = wanted - found.length;
    const outcomes = await sql<{ id: string; batch_record: string }[]>`
      select id, batch_record from outcomes
      where run = ${run} and batch_record >= ${after?.record ?? '0'}::text::bigint
        and ${isWhole || chosen.record === null ? sql`true` : sql`batch_record = ${chosen.record}::text::bigint`}
      order by batch_record limit ${missing}`;
    const last = outcomes.at(-1)?.batch_record;
    found.push(...(await rowsOf(sql, { ...release, run }, { outcomes, after, missing })));
    if (found.length >= wanted || last === undefined || outcomes.length < missing) return;
    after = { record: String(BigInt(last) + 1n), ordinal: -1 };
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
