import { validate as isUuid, v7 as uuid7 } from 'uuid';
import type { StoredHook } from '../../hook/registry.ts';
import { bounds } from '../../limits.ts';
import type { Counted, ListedRecord, NewRecompute, Selection } from '../../recompute/recomputes.ts';
import { parseRecordSrn } from '../../record/srn.ts';
import { currentTraceparent } from '../../request-context.ts';
import { arrayText } from '../array.ts';
import type { Sql, Transaction } from '../connection/connect.ts';
import type { Hole } from '../connection/statement.ts';
import { claimedBatches } from '../queue/claim-again.ts';
import { batchesChannel } from '../queue/lease.ts';
import { useIndexLookups } from '../queue/plans.ts';

/** How many of the last runs an estimate of the time looks at. */
const sampledRuns = 20;

/** The releases with current records of the hook, apart from the live one. */
export async function staleReleases(sql: Sql, hook: string, live: number): Promise<number[]> {
  const rows = await sql<{ version: number }[]>`
    select version from current_counts where hook = ${hook} and version <> ${live} and records > 0
    union
    select r.version
    from (select id from batches where snapshot_at is not null and finished_at is null offset 0) b
    cross join lateral (select version from runs where batch = b.id and hook = ${hook} offset 0) r
    where r.version <> ${live}
    order by version`;
  return rows.map(({ version }) => version);
}

export async function locate(sql: Sql, srns: readonly string[]): Promise<readonly ListedRecord[]> {
  const names = srns.flatMap((srn) => {
    const name = parseRecordSrn(srn);
    return name && isUuid(name.id) ? [{ srn, ...name }] : [];
  });
  return sql<ListedRecord[]>`
    select r.srn, r.convention, r.source_id as "sourceId"
    from unnest(${arrayText(names.map(({ srn }) => srn))}::text::text[],
                ${arrayText(names.map(({ id }) => id))}::text::uuid[],
                ${arrayText(names.map(({ version }) => version))}::text::integer[]) as wanted (srn, record_id, version)
    cross join lateral (
      select srn, convention, source_id from published
      where record_id = wanted.record_id and version = wanted.version offset 0) r
    where r.srn = wanted.srn`;
}

export async function isHookOf(sql: Sql, hook: string, convention: string): Promise<boolean> {
  const [row] = await sql<{ is: boolean }[]>`
    select exists (select from convention_hooks where hook = ${hook} and slug = ${convention})
        or exists (select from current_counts c join record_sets s on s.id = c.record_set
                   where c.hook = ${hook} and s.convention = ${convention}) as is`;
  return row?.is === true;
}

/** From the counts that are kept; only the rows of a list are looked up. */
export async function countSelection(sql: Sql, hook: string, selection: Selection): Promise<Counted> {
  const { releases, convention, list, withMissing } = selection;
  const estimate = await secondsPerRecord(sql, hook);
  if (list) {
    const [row] = await sql<{ records: number; rows: number; missing: number }[]>`
      select count(*) filter (where o.id is null and ${withMissing} or run.version = any (${arrayText(releases)}::text::integer[]))::float8 as records,
             coalesce(sum(o.row_count) filter (where run.version = any (${arrayText(releases)}::text::integer[])), 0)::float8 as rows,
             count(*) filter (where o.id is null and ${withMissing})::float8 as missing
      from unnest(${arrayText(list.map((record) => record.convention))}::text::text[],
                  ${arrayText(list.map((record) => record.sourceId))}::text::text[]) as l (convention, source_id)
      cross join lateral (
        select record_id from sources where convention = l.convention and source_id = l.source_id offset 0) s
      cross join lateral (
        select batch_record from records where record_id = s.record_id order by version desc limit 1) r
      left join lateral (
        select id, run, row_count from outcomes
        where batch_record = r.batch_record and hook = ${hook} and superseded_by is null and status <> 'errored' limit 1) o
        on true
      left join lateral (select version from runs where id = o.run offset 0) run on true`;
    const counted = row ?? { records: 0, rows: 0, missing: 0 };
    return { ...counted, estimatedSeconds: estimate && counted.records * estimate };
  }
  const [row] = await sql<{ records: number; rows: number; missing: number }[]>`
    select coalesce(sum(records), 0)::float8 as records, coalesce(sum(rows), 0)::float8 as rows,
           ${withMissing ? missingOf(sql, sql`${hook}`, convention) : sql`0`}::float8 as missing
    from current_counts c
    where hook = ${hook} and version = any (${arrayText(releases)}::text::integer[])
      and (${convention}::text is null or record_set in (select id from record_sets where convention = ${convention}))`;
  const { records, rows, missing } = row ?? { records: 0, rows: 0, missing: 0 };
  const all = records + missing;
  return { records: all, rows, missing, estimatedSeconds: estimate && all * estimate };
}

/** How many published records of the conventions that name the hook it has never seen. */
export function missingOf(sql: Sql, hook: Hole, convention: string | null = null) {
  return sql`(
    select coalesce(sum(greatest(0, have.records - seen.records)), 0)
    from convention_hooks c
    cross join lateral (
      select coalesce(sum(r.records), 0) as records
      from record_sets s join current_records r on r.record_set = s.id where s.convention = c.slug offset 0) have
    cross join lateral (
      select coalesce(sum(n.records), 0) as records
      from current_counts n join record_sets s on s.id = n.record_set
      where n.hook = c.hook and s.convention = c.slug offset 0) seen
    where c.hook = ${hook} and (${convention}::text is null or c.slug = ${convention}))`;
}

async function secondsPerRecord(sql: Sql, hook: string): Promise<number | null> {
  const [row] = await sql<{ seconds: number | null }[]>`
    select (sum(extract(epoch from r.finished_at - r.started_at)) / nullif(sum(b.published + b.rejected + b.errored), 0))::float8
      as seconds
    from (select batch, started_at, finished_at from runs
          where hook = ${hook} and version = (select live_version from hooks where name = ${hook}) and started_at is not null
          order by id desc limit ${sampledRuns}) r
    cross join lateral (select published, rejected, errored from batches where id = r.batch offset 0) b`;
  return row?.seconds ?? null;
}

/**
 * Stores what is selected; nothing is cut yet. The hook is locked, so its claims wait: of releases that are not live, no
 * run begins any more, and those that are going are known here. They are walked when they have ended.
 */
export async function createRecompute(
  tx: Transaction,
  actor: number,
  hook: StoredHook,
  { reason, healedSeq, ...selection }: NewRecompute,
): Promise<string> {
  await useIndexLookups(tx);
  const id = uuid7();
  const { releases, convention, list, withMissing, recall } = selection;
  const expected = await countSelection(tx, hook.name, selection);
  await tx`
    insert into recomputes (id, hook, releases, convention, is_list, with_missing, healed_seq, reason, batch_size,
                            expected_records, expected_rows, actor, traceparent, recall)
    values (${id}, ${hook.name}, ${arrayText(releases)}::text::integer[], ${convention}, ${list !== null}, ${withMissing},
            ${healedSeq}, ${reason}, ${bounds.defaultBatchRecords}, ${expected.records}, ${expected.rows}, ${actor},
            ${currentTraceparent()}, ${recall})`;
  if (list) await storeList(tx, id, list);
  else await storeWalks(tx, id, hook.name, { releases, convention, withMissing });
  await tx`select pg_notify(${batchesChannel}, '')`;
  return id;
}

async function storeList(tx: Transaction, id: string, list: readonly ListedRecord[]): Promise<void> {
  await tx`
    insert into recompute_list (recompute, position, convention, source_id)
    select ${id}, row_number() over (order by convention, source_id collate "C"), convention, source_id
    from (select distinct convention, source_id
          from unnest(${arrayText(list.map((record) => record.convention))}::text::text[],
                      ${arrayText(list.map((record) => record.sourceId))}::text::text[]) as l (convention, source_id)) l`;
  await tx`insert into recompute_walks (recompute, position, is_list) values (${id}, 0, true)`;
}

async function storeWalks(
  tx: Transaction,
  id: string,
  hook: string,
  { releases, convention, withMissing }: Omit<Selection, 'list' | 'recall'>,
): Promise<void> {
  const going = (await claimedBatches(tx, hook)).filter(({ version }) => releases.includes(version));
  const batches = arrayText(going.map(({ batch }) => batch));
  await tx`
    insert into recompute_walks (recompute, position, version, only_run, missing_in)
    select ${id}, row_number() over () - 1, version, only_run, missing_in
    from (
      select version, null::uuid as only_run, null::text as missing_in
      from unnest(${arrayText(releases)}::text::integer[]) with ordinality as r (version, n)
      union all
      select r.version, r.id, null
      from unnest(${batches}::text::uuid[]) as b (id)
      cross join lateral (select id, version from runs where batch = b.id and hook = ${hook} offset 0) r
      union all
      select null, null, slug from convention_hooks
      where ${withMissing} and hook = ${hook} and (${convention}::text is null or slug = ${convention})) w`;
}
