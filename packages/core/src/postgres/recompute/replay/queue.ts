import { OsaError } from '../../../error.ts';
import type { FeatureContract } from '../../../hook/hook.ts';
import type { ReleaseContent } from '../../../hook/release.ts';
import type {
  HeldPart,
  ReplayedRecord,
  ReplayQueue,
  StoredResult,
} from '../../../recompute/replay/replays.ts';
import type { Lease } from '../../../run/queue.ts';
import { arrayText } from '../../array.ts';
import { isLeaseOver, isTooLate } from '../../clock.ts';
import type { Database, Sql } from '../../connection/connect.ts';
import type { Hole } from '../../connection/statement.ts';
import { filesOfRecords } from '../../files.ts';
import { batchesChannel } from '../../queue/lease.ts';
import { useIndexLookups } from '../../queue/plans.ts';
import { isRunning } from '../../queue/workers.ts';
import { finish, giveUp } from './end.ts';
import { madeRows, storedRows } from './values.ts';

/** Parts of replays as a queue. `endings` is for what may take long: reading records and rows, and writing certificates. */
export function replayQueue(database: Database, endings: Database = database): ReplayQueue {
  return {
    claim: (worker) => claim(database, worker),
    renew: (lease, leaseMs) => renew(database, lease, leaseMs),
    records: (held) => records(endings, held),
    storedRows: (held, ranges) => storedRows(endings.sql, held, ranges),
    madeRows: (held, chunk) => madeRows(endings.sql, held, chunk),
    finish: (lease, certificates) => finish(endings, lease, certificates),
    giveUp: (lease, reason) => giveUp(database, lease, reason),
    postpone: (lease, later) => postpone(database, lease, later),
  };
}

/** Whether a worker that runs has a runner for the release. */
export function isPartStartable(sql: Sql, hook: Hole, version: Hole): Hole {
  return sql`exists (
    select from workers w
    where ${isRunning(sql, sql`w.seen_at`)}
      and (select runtime from releases where hook = ${hook} and version = ${version}) = any (w.runtimes))`;
}

/**
 * One part, of a hook that is not paused: its row's lock makes a pause a barrier. A hook that somebody else holds is left for the
 * next look. Any worker takes a release that no running one can start, and certifies that.
 */
async function claim(
  database: Database,
  { name, leaseMs, runtimes }: Parameters<ReplayQueue['claim']>[0],
): Promise<HeldPart | undefined> {
  const lease = await database.transaction(async (tx) => {
    // The parts are walked in the order of their index, up to the first one that can be had, however many wait.
    await tx`select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
                    set_config('plan_cache_mode', 'force_custom_plan', true)`;
    const [part] = await tx<{ id: string; hook: string }[]>`
      select p.id, r.hook
      from replay_parts p
      cross join lateral (select hook, version from runs where id = p.run offset 0) r
      cross join lateral (select runtime from releases where hook = r.hook and version = r.version offset 0) l
      cross join lateral (select paused_at from hooks where name = r.hook offset 0) h
      where p.finished_at is null and (p.available_at <= clock_timestamp() or ${isTooLate(tx, tx`p.available_at`)})
        and h.paused_at is null
        and (p.status = 'queued' or ${isLeaseOver(tx, tx`p.lease_until`)})
        and (l.runtime = any (${arrayText(runtimes)}::text::text[])
             or not ${isPartStartable(tx, tx`r.hook`, tx`r.version`)})
      order by p.position, p.id limit 1 for no key update of p skip locked`;
    if (!part) return undefined;
    const [free] = await tx`
      select from hooks where name = ${part.hook} and paused_at is null for share skip locked`;
    if (!free) return undefined;
    const [taken] = await tx<Lease[]>`
      update replay_parts
      set status = 'running', fence = fence + 1, claimed_by = ${name}, lost = lost + (status = 'running')::integer,
          reason = null, lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
      where id = ${part.id} returning id as batch, fence`;
    return taken;
  });
  return lease && (await load(database, lease));
}

async function load({ sql }: Database, lease: Lease): Promise<HeldPart> {
  type Row = Omit<HeldPart, 'release' | 'batch' | 'fence'> & ReleaseContent & { feature: FeatureContract };
  const [row] = await sql<Row[]>`
    select p.run, p.whole, p.failures, p.lost, run.hook, run.version, run.input_digest as "inputDigest",
           run.output_digest as "outputDigest", h.feature, r.runtime, r.image, r.digest, r.command, r.config, r.limits,
           r.source_ref
    from replay_parts p
    join runs run on run.id = p.run
    join releases r on r.hook = run.hook and r.version = run.version
    join hooks h on h.name = run.hook
    where p.id = ${lease.batch}`;
  if (!row) throw new OsaError('internal', `replay part ${lease.batch} was claimed and is not there`);
  const { run, whole, failures, lost, hook, version, inputDigest, outputDigest, feature, ...release } = row;
  const of = { run, whole, failures, lost, hook, version, inputDigest, outputDigest, feature };
  return { ...of, batch: lease.batch, fence: lease.fence, release };
}

async function renew({ sql }: Database, { batch, fence }: Lease, leaseMs: number): Promise<boolean> {
  const rows = await sql`
    update replay_parts set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    returning id`;
  return rows.length > 0;
}

/** Reads the records as the batch of the run gave them to the hook. */
async function records(
  database: Database,
  { batch: part, run, whole }: HeldPart,
): Promise<readonly ReplayedRecord[]> {
  type Row = Pick<ReplayedRecord, 'id' | 'sourceId' | 'metadata'> & StoredResult & { isWanted: boolean };
  const { rows, files } = await database.transaction(
    async (tx) => {
      await useIndexLookups(tx);
      const wanted = whole
        ? tx`
            select o.*, exists (select from replay_outcomes where part = ${part} and outcome = o.id) as is_wanted
            from outcomes o where o.run = ${run} offset 0`
        : tx`
            select o.*, true as is_wanted from (select outcome from replay_outcomes where part = ${part} offset 0) w
            cross join lateral (select * from outcomes where id = w.outcome offset 0) o`;
      const rows = await tx<Row[]>`
        select b.id, b.source_id as "sourceId", b.metadata::text as metadata, o.id as outcome, o.status, o.reason,
               o.row_count as "rowCount", o.is_wanted as "isWanted"
        from (${wanted}) o
        cross join lateral (select id, source_id, metadata from batch_records where id = o.batch_record offset 0) b
        order by b.source_id`;
      const files = await filesOfRecords(
        tx,
        rows.map(({ id }) => id),
      );
      return { rows, files };
    },
    { readOnly: true },
  );
  return rows.map(({ id, sourceId, metadata, isWanted, ...result }) => {
    const own = files.get(id);
    return { id, sourceId, metadata, ...(own && { files: own }), ...(isWanted && { result }) };
  });
}

async function postpone(
  { sql }: Database,
  { batch, fence }: Lease,
  { reason, delayMs }: Parameters<ReplayQueue['postpone']>[1],
): Promise<void> {
  await sql`
    with given as (
      update replay_parts
      set status = 'queued', lease_until = null, claimed_by = null, reason = ${reason},
          failures = failures + ${reason === null ? 0 : 1},
          available_at = clock_timestamp() + ${delayMs} * interval '1 millisecond'
      where id = ${batch} and fence = ${fence} and status = 'running'
      returning id
    )
    select pg_notify(${batchesChannel}, '') from given`;
}
