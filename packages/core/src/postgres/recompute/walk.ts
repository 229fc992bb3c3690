import type { Transaction } from '../connection/connect.ts';

/** A walk over part of what is selected, and how far it is. */
export interface Walk {
  readonly recompute: string;
  readonly hook: string;
  readonly convention: string | null;
  readonly batch_size: number;
  readonly position: number;
  readonly version: number | null;
  readonly only_run: string | null;
  readonly is_list: boolean;
  readonly missing_in: string | null;
  readonly after_run: string | null;
  readonly after_record: string | null;
  readonly after_source: string | null;
}

/** The next sources of a walk, all of one convention, and the place after them. */
export interface Step {
  readonly convention: string | undefined;
  readonly sources: readonly string[];
  readonly after: { run?: string | null; record?: string | null; source?: string | null };
  readonly isDone: boolean;
}

/** How many runs, or sources, one step looks at. Other records are passed over. */
const mostRuns = 200;
const mostSources = 20_000;

export async function nextStep(tx: Transaction, walk: Walk): Promise<Step> {
  if (walk.is_list) return stepOfList(tx, walk);
  return walk.missing_in === null ? stepOfRuns(tx, walk) : stepOfMissing(tx, walk, walk.missing_in);
}

/**
 * Along the outcomes of the runs of a release that are current. A run that was going when the recompute began has a walk
 * of its own.
 */
async function stepOfRuns(tx: Transaction, walk: Walk): Promise<Step> {
  const { only_run, after_run: run, after_record: record, batch_size } = walk;
  const runs = await tx<{ id: string }[]>`
    select id from runs
    where hook = ${walk.hook} and version = ${walk.version}
      and (${only_run}::uuid is null or id = ${only_run})
      and (${run}::uuid is null or id >= ${run}::uuid)
    order by id limit ${mostRuns}`;
  const last = runs.at(-1)?.id ?? null;
  const found = await tx<{ run: string; batch_record: string; source_id: string; convention: string }[]>`
    select r.id as run, o.batch_record, b.source_id, b.convention
    from (
      select id, batch from runs
      where hook = ${walk.hook} and version = ${walk.version}
        and (${only_run}::uuid is null or id = ${only_run})
        and (${run}::uuid is null or id >= ${run}::uuid) and id <= ${last}::uuid
        and (${only_run}::uuid is not null or not exists (
          select from recompute_walks w where w.recompute = ${walk.recompute} and w.only_run = runs.id))
      order by id) r
    cross join lateral (
      select batch_record from outcomes
      where run = r.id and superseded_by is null and status <> 'errored'
        and (r.id > ${run}::uuid or ${record}::bigint is null or batch_record > ${record}::bigint)
      offset 0) o
    cross join lateral (
      select p.convention, p.source_id from published p
      where p.batch_record = o.batch_record and (${walk.convention}::text is null or p.convention = ${walk.convention})
        and not exists (select from records n where n.record_id = p.record_id and n.version = p.version + 1)
      offset 0) b
    order by r.id, o.batch_record limit ${batch_size}`;
  const { convention, taken } = ofOneConvention(found);
  const end = taken.at(-1);
  const isWhole = taken.length === found.length && found.length < batch_size;
  if (!isWhole && end) {
    return stepTo(convention, taken, { run: end.run, record: end.batch_record }, false);
  }
  // All outcomes of these runs are passed: the place is beyond every record of the last one.
  return stepTo(convention, taken, { run: last ?? run, record: beyondAll }, runs.length < mostRuns);
}

const beyondAll = String(2n ** 63n - 1n);

async function stepOfList(tx: Transaction, { recompute, after_record, batch_size }: Walk): Promise<Step> {
  const found = await tx<{ position: string; source_id: string; convention: string }[]>`
    select position::text, source_id, convention from recompute_list
    where recompute = ${recompute} and position > ${after_record ?? 0}::bigint order by position limit ${batch_size}`;
  const { convention, taken } = ofOneConvention(found);
  const isDone = taken.length === found.length && found.length < batch_size;
  return stepTo(convention, taken, { record: taken.at(-1)?.position ?? after_record }, isDone);
}

/** Along the sources of a convention. */
async function stepOfMissing(tx: Transaction, walk: Walk, convention: string): Promise<Step> {
  const { after_source: after, batch_size } = walk;
  const [looked] = await tx<{ count: number; last: string | null }[]>`
    select count(*)::integer as count, (array_agg(source_id order by source_id desc))[1] as last from (
      select source_id from sources
      where convention = ${convention} and source_id > ${after ?? ''} order by source_id limit ${mostSources}) r`;
  const last = looked?.last ?? null;
  const taken = await tx<{ source_id: string }[]>`
    select s.source_id
    from (
      select source_id, record_id from sources
      where convention = ${convention} and source_id > ${after ?? ''} and source_id <= ${last}
      order by source_id) s
    cross join lateral (
      select batch_record from records where record_id = s.record_id order by version desc limit 1) r
    where not exists (select from outcomes o where o.batch_record = r.batch_record and o.hook = ${walk.hook}
                      and o.superseded_by is null and o.status <> 'errored')
    order by s.source_id limit ${batch_size}`;
  const isWhole = taken.length < batch_size;
  const source = isWhole ? (last ?? after) : (taken.at(-1)?.source_id ?? after);
  return stepTo(convention, taken, { source }, isWhole && (looked?.count ?? 0) < mostSources);
}

function ofOneConvention<T extends { readonly convention: string }>(found: readonly T[]) {
  const convention = found[0]?.convention;
  const end = found.findIndex((row) => row.convention !== convention);
  return { convention, taken: end < 0 ? found : found.slice(0, end) };
}

function stepTo(
  convention: string | undefined,
  taken: readonly { readonly source_id: string }[],
  after: Step['after'],
  isDone: boolean,
): Step {
  return { convention, sources: [...new Set(taken.map(({ source_id }) => source_id))], after, isDone };
}
