import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import type { FeatureContract } from '../hook/hook.ts';
import type { ReleaseContent } from '../hook/release.ts';
import type { NodeIdentity } from '../record/srn.ts';
import type {
  AttemptEnd,
  BatchQueue,
  Claim,
  Claimant,
  ClaimedRecord,
  ClaimedRun,
  Lease,
} from '../run/queue.ts';
import { arrayText } from './array.ts';
import { finish } from './commit.ts';
import type { Database, Transaction } from './connection.ts';
import { batchesChannel, leaseLost } from './lease.ts';
import { snapshot } from './snapshot.ts';

/**
 * The queue in PostgreSQL: `batches` with `skip locked`, a lease and a growing fence. All times are the database's.
 */
export function postgresQueue(database: Database, node: NodeIdentity): BatchQueue {
  return {
    claim: (worker) => claim(database, worker),
    renew: (lease, leaseMs) => renew(database, lease, leaseMs),
    startAttempt: (lease, attempt) => startAttempt(database, lease, attempt),
    endAttempt: (attempt, end) => endAttempt(database, attempt, end),
    finish: (held, results) => finish(database, node, held, results),
    postpone: (lease, later) => postpone(database, lease, later),
    stopIngestion: (held, reason) => database.transaction((tx) => stopIngestion(tx, held, reason)),
    giveBack: (workerName) => giveBack(database, workerName),
    watch: (wake) => database.listen(batchesChannel, wake),
  };
}

async function claim(database: Database, worker: Claimant): Promise<Claim | undefined> {
  for (;;) {
    await failpoint('claim.before');
    const outcome = await database.transaction((tx) => claimOne(tx, worker));
    if (outcome === 'none') return undefined;
    await failpoint('claim.after-commit');
    if (outcome !== 'parked') return load(database, outcome);
  }
}

async function claimOne(tx: Transaction, worker: Claimant): Promise<Held | 'none' | 'parked'> {
  const candidate = await lockCandidate(tx);
  if (!candidate) return 'none';
  await failpoint('claim.mid');
  if (candidate.hasSnapshot) await abandonAttempts(tx, candidate.id);
  else if (!(await snapshot(tx, candidate, worker.runtimes))) return 'parked';
  await failpoint('claim.after-snapshot');
  return take(tx, candidate.id, worker);
}

interface Candidate {
  readonly id: string;
  readonly convention: string;
  readonly hasSnapshot: boolean;
}

/**
 * The oldest batch that may run: queued, or held by a lease that ran out, and not behind an unfinished batch with
 * one of its sources. A batch that failed without having run is no end of the row: what it waited for counts on.
 * Gates never come back once they are open, so reading them in an older state is safe.
 */
async function lockCandidate(tx: Transaction): Promise<Candidate | undefined> {
  const [row] = await tx<Candidate[]>`
    select id, convention, snapshot_at is not null as "hasSnapshot"
    from batches b
    where available_at <= clock_timestamp()
      and status in ('queued', 'running', 'parked')
      and (status <> 'running' or lease_until < clock_timestamp())
      and not exists (
        with recursive ahead (id) as (
          select g.predecessor from batch_gates g where g.batch = b.id
          union
          select g.predecessor from ahead a
          join batches p on p.id = a.id and p.status = 'failed'
          join batch_gates g on g.batch = p.id)
        select from ahead a join batches p on p.id = a.id where p.status in ('queued', 'running', 'parked'))
    order by available_at, id
    limit 1
    for update of b skip locked`;
  return row;
}

/** What the worker before us started and did not end is over. */
async function abandonAttempts(tx: Transaction, batch: string): Promise<void> {
  await tx`
    update attempts set outcome = 'abandoned', finished_at = clock_timestamp()
    where finished_at is null and run in (select id from runs where batch = ${batch})`;
}

interface Held {
  readonly batch: string;
  readonly fence: string;
}

async function take(
  tx: Transaction,
  id: string,
  { name, leaseMs }: { readonly name: string; readonly leaseMs: number },
): Promise<Held> {
  const [row] = await tx<Held[]>`
    update batches
    set status = 'running', fence = fence + 1, claimed_by = ${name},
        lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond',
        snapshot_at = coalesce(snapshot_at, clock_timestamp())
    where id = ${id} returning id as batch, fence`;
  if (!row) throw new OsaError('internal', `batch ${id} is locked and not there`);
  return row;
}

/** Reads what was claimed. None of it changes any more, so it is read after the claim's transaction. */
async function load({ sql }: Database, { batch, fence }: Held): Promise<Claim> {
  const [row] = await sql<Omit<Claim, 'records' | 'runs' | 'batch' | 'fence'>[]>`
    select b.index, b.ingestion, b.convention, b.failures,
           jsonb_build_object('id', i.schema_id, 'version', i.schema_version) as schema
    from batches b join ingestions i on i.id = b.ingestion where b.id = ${batch}`;
  if (!row) throw new OsaError('internal', `batch ${batch} was claimed and is not there`);
  const records = await sql<ClaimedRecord[]>`
    select id, source_id as "sourceId", metadata::text as metadata
    from batch_records where batch = ${batch} and status = 'pending' order by source_id`;
  const runs = await sql<(Omit<ClaimedRun, 'release'> & ReleaseContent & { feature: FeatureContract })[]>`
    select run.id, run.hook, run.version, h.feature, r.runtime, r.image, r.digest, r.command, r.config, r.limits,
           r.source_ref
    from runs run
    join releases r on r.hook = run.hook and r.version = run.version
    join hooks h on h.name = run.hook
    left join convention_hooks c on c.slug = ${row.convention} and c.hook = run.hook
    where run.batch = ${batch} order by c.position nulls last, run.hook`;
  return {
    ...row,
    batch,
    fence,
    records,
    runs: runs.map(({ id, hook, version, feature, ...release }) => ({ id, hook, version, feature, release })),
  };
}

async function renew({ sql }: Database, { batch, fence }: Lease, leaseMs: number): Promise<boolean> {
  const rows = await sql`
    update batches set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    returning id`;
  return rows.length > 0;
}

async function startAttempt(
  { sql }: Database,
  { batch, fence }: Lease,
  { run, memoryBytes, runner }: { run: string; memoryBytes: number; runner: string },
): Promise<{ n: number; startedAt: string }> {
  const [row] = await sql<{ n: number; startedAt: string }[]>`
    insert into attempts (run, n, fence, memory_bytes, runner)
    select ${run}, coalesce((select max(n) from attempts where run = ${run}), 0) + 1, fence, ${memoryBytes}, ${runner}
    from batches
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    returning n, started_at as "startedAt"`;
  if (!row) throw leaseLost(batch);
  return row;
}

/** An attempt that another claim has declared abandoned stays so. */
async function endAttempt(
  { sql }: Database,
  { run, n }: { run: string; n: number },
  end: AttemptEnd,
): Promise<void> {
  await sql`
    update attempts
    set finished_at = clock_timestamp(), outcome = ${end.outcome}, resolved_digest = ${end.resolvedDigest},
        exit_code = ${end.exitCode}, exit_signal = ${end.exitSignal}, detail = ${end.detail},
        log = ${end.log === null ? null : Buffer.from(end.log)}
    where run = ${run} and n = ${n} and finished_at is null`;
}

async function postpone(
  { sql }: Database,
  { batch, fence }: Lease,
  { reason, delayMs, failed }: { reason: string | null; delayMs: number; failed: boolean },
): Promise<void> {
  await sql`
    with given as (
      update batches
      set status = 'queued', lease_until = null, claimed_by = null, reason = ${reason},
          failures = failures + ${failed ? 1 : 0},
          available_at = clock_timestamp() + ${delayMs} * interval '1 millisecond'
      where id = ${batch} and fence = ${fence} and status = 'running'
      returning id
    )
    select pg_notify(${batchesChannel}, '') from given`;
}

/** All statements are about the batches that the first one locks; a retry may make new ones meanwhile. */
async function stopIngestion(tx: Transaction, claim: Claim, reason: string): Promise<void> {
  const open = await tx<{ id: string; held: boolean }[]>`
    select id, id = ${claim.batch} and fence = ${claim.fence} and status = 'running'
               and lease_until > clock_timestamp() as held
    from batches where ingestion = ${claim.ingestion} and status in ('queued', 'running', 'parked')
    order by id for update`;
  if (!open.some((batch) => batch.held)) throw leaseLost(claim.batch);
  const ids = arrayText(open.map((batch) => batch.id));
  await tx`
    update batch_records set status = 'errored', reason = ${`the ingestion was stopped: ${reason}`}
    where batch = any (${ids}::text::uuid[]) and status = 'pending'`;
  await tx`
    update batches b
    set status = 'failed', reason = ${reason}, lease_until = null, finished_at = clock_timestamp(),
        errored = errored + (select count(*) from batch_records r where r.batch = b.id and r.status = 'errored')
    where id = any (${ids}::text::uuid[])`;
  await tx`
    update runs set status = 'error', reason = ${reason}, finished_at = clock_timestamp()
    where status is null and batch = any (${ids}::text::uuid[])`;
  await tx`update ingestions set stopped_at = clock_timestamp(), stop_reason = ${reason} where id = ${claim.ingestion}`;
  await tx`select pg_notify(${batchesChannel}, '')`;
}

async function giveBack({ sql }: Database, workerName: string): Promise<number> {
  const rows = await sql`
    update batches set lease_until = clock_timestamp() - interval '1 millisecond'
    where status = 'running' and claimed_by = ${workerName} and lease_until > clock_timestamp() returning id`;
  return rows.length;
}
