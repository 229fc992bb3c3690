import { validate as isUuid, v7 as uuid7 } from 'uuid';
import type { Principal } from '../../auth/principal.ts';
import { OsaError } from '../../error.ts';
import type { ClaimedBatch, StoredHook } from '../../hook/registry.ts';
import { bounds } from '../../limits.ts';
import type {
  Counted,
  ListedRecord,
  NewRecompute,
  Recompute,
  Selection,
} from '../../recompute/recomputes.ts';
import { parseRecordSrn } from '../../record/srn.ts';
import { currentTraceparent } from '../../request-context.ts';
import { arrayText } from '../array.ts';
import type { Sql, Transaction } from '../connection/connect.ts';
import type { Hole } from '../connection/statement.ts';
import { batchesChannel } from '../queue/lease.ts';
import { useIndexLookups } from '../queue/plans.ts';

/** How many of the last runs an estimate of the time looks at. */
const sampledRuns = 20;

/** The releases with current records of the hook, or with records that run or wait for review, apart from the live one. */
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

/** Counts the records that a recompute would take, and estimates its time. */
export async function countSelection(sql: Sql, hook: string, selection: Selection): Promise<Counted> {
  const estimate = await secondsPerRecord(sql, hook);
  const [row] = await sql<{ records: number; rows: number; missing: number; inReview: number }[]>`
    select records, rows, missing,
           (select count(*) from ${inReview(sql, hook, selection)} r where not ${selection.list !== null})::float8 as "inReview"
    from ${counted(sql, hook, selection)} c`;
  const found = row ?? { records: 0, rows: 0, missing: 0, inReview: 0 };
  return { ...found, estimatedSeconds: estimate && found.records * estimate };
}

/** From the counts that are kept; only the rows of a list are looked up. `missing` records are among the `records`. */
function counted(sql: Sql, hook: string, { releases, convention, list, withMissing }: Selection) {
  if (!list) {
    return sql`(
      select s.records + m.missing as records, s.rows, m.missing
      from (select coalesce(sum(records), 0)::float8 as records, coalesce(sum(rows), 0)::float8 as rows
            from current_counts
            where hook = ${hook} and version = any (${arrayText(releases)}::text::integer[])
              and (${convention}::text is null or record_set in (
                select id from record_sets where convention = ${convention}))) s,
           (select ${withMissing ? missingOf(sql, sql`${hook}`, convention) : sql`0`}::float8 as missing) m)`;
  }
  return sql`(
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
    left join lateral (select version from runs where id = o.run offset 0) run on true)`;
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

/** The runs of depositions that are in review. */
function inReview(
  sql: Sql,
  hook: string,
  { releases, convention }: Pick<Selection, 'releases' | 'convention'>,
) {
  return sql`(
    select r.id, r.version
    from (
      select id, convention from batches
      where status = 'held' and snapshot_at is not null and finished_at is null offset 0) b
    cross join lateral (
      select id, version from runs
      where batch = b.id and hook = ${hook} and version = any (${arrayText(releases)}::text::integer[]) offset 0) r
    where ${convention}::text is null or b.convention = ${convention})`;
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
 * run begins any more, and those that are going or wait for a review are known here. They are walked when they have ended.
 */
export async function createRecompute(
  tx: Transaction,
  { actor, principal }: { readonly actor: number; readonly principal: Principal },
  hook: StoredHook,
  request: NewRecompute,
): Promise<Recompute> {
  const { releases, convention, list, withMissing, recall, reason, healed, claimed } = request;
  if (list) await useIndexLookups(tx);
  const id = uuid7();
  const going = claimed.filter(
    (batch) => releases.includes(batch.version) && (convention === null || batch.convention === convention),
  );
  // Sent first, and not waited for: the rows that refer to it come on the same connection.
  const stored = tx<Made[]>`
    insert into recomputes (id, hook, releases, convention, is_list, with_missing, healed_seq, reason, batch_size,
                            expected_records, expected_rows, actor, traceparent, recall)
    select ${id}, ${hook.name}, ${arrayText(releases)}::text::integer[], ${convention}, ${list !== null}, ${withMissing},
           ${healed?.seq ?? null}, ${reason}, ${bounds.defaultBatchRecords}, records, rows, ${actor},
           ${currentTraceparent()}, ${recall}
    from ${counted(tx, hook.name, request)} c
    returning expected_records::float8, expected_rows::float8, created_at as started_at`.execute();
  const [[made]] = await Promise.all([
    stored,
    list ? storeList(tx, id, list) : storeWalks(tx, id, hook.name, { ...request, going }),
    tx`select pg_notify(${batchesChannel}, '')`,
  ]);
  if (!made) throw new OsaError('internal', `recompute ${id} was not stored`);
  const { issuer, subject } = principal;
  return { ...begun(hook.name, request), ...made, id, started_by: { issuer, subject } };
}

type Made = Pick<Recompute, 'expected_records' | 'expected_rows' | 'started_at'>;

/** A recompute of which no batch is cut, as `recomputeView` shows it unless something holds it up. */
function begun(hook: string, { releases, convention, list, withMissing, ...rest }: NewRecompute) {
  return {
    hook_name: hook,
    releases: [...releases],
    convention_id: convention,
    is_list: list !== null,
    with_missing: withMissing,
    recall_id: rest.recall,
    healed: rest.healed,
    reason: rest.reason,
    status: 'running' as const,
    ...{ paused: null, is_cut: false, unstartable: null, finished_at: null },
    ...{ records: 0, overtaken: 0, passed: 0, rejected: 0, errored: 0, pending: 0, retried: 0, rows: 0 },
    batches: { queued: 0, running: 0, parked: 0, done: 0, failed: 0 },
    ...{ used: [], reasons: [] },
  };
}

async function storeList(tx: Transaction, id: string, list: readonly ListedRecord[]): Promise<void> {
  await tx`
    insert into recompute_list (recompute, position, convention, source_id)
    select ${id}, row_number() over (order by convention, source_id collate "C"), convention, source_id
    from unnest(${arrayText(list.map((record) => record.convention))}::text::text[],
                ${arrayText(list.map((record) => record.sourceId))}::text::text[]) as l (convention, source_id)`;
  await tx`insert into recompute_walks (recompute, position, is_list) values (${id}, 0, true)`;
}

async function storeWalks(
  tx: Transaction,
  id: string,
  hook: string,
  {
    releases,
    convention,
    withMissing,
    going,
  }: Omit<Selection, 'list' | 'recall'> & { readonly going: readonly ClaimedBatch[] },
): Promise<void> {
  const walks = [...releases.map((version) => ({ version, run: null })), ...going];
  const goingRuns = arrayText(going.map(({ run }) => run));
  await tx`
    insert into recompute_walks (recompute, position, version, only_run, missing_in)
    select ${id}, row_number() over () - 1, version, only_run, missing_in
    from (
      select version, only_run, null::text as missing_in
      from unnest(${arrayText(walks.map(({ version }) => version))}::text::integer[],
                  ${arrayText(walks.map(({ run }) => run))}::text::uuid[]) as w (version, only_run)
      union all
      select version, id, null from ${inReview(tx, hook, { releases, convention })} r
      where id <> all (${goingRuns}::text::uuid[])
      union all
      select null, null, slug from convention_hooks
      where ${withMissing} and hook = ${hook} and (${convention}::text is null or slug = ${convention})) w`;
}
