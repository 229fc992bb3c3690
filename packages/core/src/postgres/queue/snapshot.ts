import { v7 as uuid7 } from 'uuid';
import { OsaError } from '../../error.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { ReleaseContent, Runtime } from '../../hook/release.ts';
import { parkedMs } from '../../run/policy.ts';
import type { Claim, ClaimedRecord, ClaimedRun, Lease } from '../../run/queue.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { filesOfRecords } from '../files.ts';

/**
 * Stores which release of each hook runs this batch. The hooks are locked first, in name order, and their live versions
 * are read from the locked rows, in a statement that joins nothing. So a rollback that has answered is seen, and one
 * under way waits for us or we for it. False when a hook is paused, has no live release, or has one that this worker
 * cannot start. The batch is then parked with that reason, and resolved anew when it is looked at again.
 */
export async function snapshot(
  tx: Transaction,
  { id, convention }: { readonly id: string; readonly convention: string },
  runtimes: readonly Runtime[],
): Promise<boolean> {
  await tx`select from conventions where slug = ${convention} for share`;
  const declared = await tx<{ hook: string }[]>`select hook from convention_hooks where slug = ${convention}`;
  const hooks = await lockHooks(
    tx,
    declared.map((row) => row.hook),
  );
  if (!(await mayRun(tx, id, hooks, runtimes))) return false;
  const runs = await tx`
    insert into runs (id, batch, hook, version)
    select id, ${id}, hook, version
    from unnest(${arrayText(hooks.map(() => uuid7()))}::text::uuid[],
                ${arrayText(hooks.map((hook) => hook.name))}::text::text[],
                ${arrayText(hooks.map((hook) => hook.live_version))}::text::integer[]) as r (id, hook, version)
    returning id`;
  if (runs.length !== declared.length) {
    throw new OsaError(
      'internal',
      `batch ${id}: ${declared.length} hooks and ${runs.length} runs; it is not claimed`,
    );
  }
  await markUnchanged(tx, id, convention);
  return true;
}

export interface LockedHook {
  readonly name: string;
  readonly live_version: number | null;
  readonly paused: boolean;
}

/** In name order, in a statement that joins nothing. */
export async function lockHooks(tx: Transaction, names: readonly string[]): Promise<readonly LockedHook[]> {
  return tx<LockedHook[]>`
    select name, live_version, paused_at is not null as paused from hooks where name = any (${arrayText(names)}::text::text[])
    order by name collate "C" for share`;
}

/** Whether all of the locked hooks can run here now; parks the batch where somebody else must act. */
export async function mayRun(
  tx: Transaction,
  batch: string,
  hooks: readonly LockedHook[],
  runtimes: readonly Runtime[],
): Promise<boolean> {
  if (hooks.some((hook) => hook.paused)) return false;
  const dead = hooks.filter((hook) => hook.live_version === null).map((hook) => hook.name);
  if (dead.length > 0) {
    await park(tx, batch, { reason: `no live release: ${dead.join(', ')}`, delayMs: parkedMs });
    return false;
  }
  const foreign = await releasesBeyond(tx, hooks, runtimes);
  if (foreign.length > 0) {
    const reason = `waits for a worker with a runner for ${foreign.join(', ')}`;
    await park(tx, batch, { reason, delayMs: 0 });
    return false;
  }
  return true;
}

/** The live releases that need another runtime, for people. Releases never change, so nothing needs a lock. */
async function releasesBeyond(
  tx: Transaction,
  hooks: readonly { readonly name: string; readonly live_version: number | null }[],
  runtimes: readonly Runtime[],
): Promise<string[]> {
  const rows = await tx<{ hook: string; version: number; runtime: Runtime }[]>`
    select hook, version, runtime from releases
    where (hook, version) in (
      select * from unnest(${arrayText(hooks.map((hook) => hook.name))}::text::text[],
                           ${arrayText(hooks.map((hook) => hook.live_version))}::text::integer[]))
      and runtime <> all (${arrayText(runtimes)}::text::text[])
    order by hook`;
  return rows.map(({ hook, version, runtime }) => `${hook} v${version} (${runtime})`);
}

async function park(
  tx: Transaction,
  id: string,
  { reason, delayMs }: { readonly reason: string; readonly delayMs: number },
): Promise<void> {
  await tx`
    update batches
    set status = 'parked', reason = ${reason}, lease_until = null, claimed_by = null,
        available_at = clock_timestamp() + ${delayMs} * interval '1 millisecond'
    where id = ${id}`;
}

/**
 * Unchanged: the newest published version has the same content. The gate keeps that true until the commit. It is looked
 * up record by record: a join would read the whole convention where the planner expects none of its records.
 */
async function markUnchanged(tx: Transaction, id: string, convention: string): Promise<void> {
  await tx`
    with marked as (
      update batch_records b set status = 'unchanged', record = newest.batch_record
      from (select id, source_id from batch_records where batch = ${id} and status = 'pending' offset 0) came
      cross join lateral (
        select record_id from sources where convention = ${convention} and source_id = came.source_id offset 0) s
      cross join lateral (
        select batch_record from records where record_id = s.record_id order by version desc limit 1) newest
      cross join lateral (select content_digest from batch_records where id = newest.batch_record offset 0) old
      where b.id = came.id and b.content_digest = old.content_digest
      returning b.id
    )
    update batches set unchanged = (select count(*) from marked) where id = ${id}`;
}

/** Reads what was claimed, or is in review. None of it changes as long as the batch has this fence. */
export async function readClaim(sql: Transaction, { batch, fence }: Lease): Promise<Claim> {
  const [row] = await sql<Omit<Claim, 'records' | 'runs' | 'batch' | 'fence'>[]>`
    select b.ingestion, b.recompute, b.convention, b.failures,
           jsonb_build_object('id', i.schema_id, 'version', i.schema_version) as schema,
           case when i.deposition is not null
             then jsonb_build_object('id', i.deposition, 'curation', i.curation) end as deposition
    from batches b left join ingestions i on i.id = b.ingestion where b.id = ${batch}`;
  if (!row) throw new OsaError('internal', `batch ${batch} was claimed and is not there`);
  const records =
    row.recompute === null
      ? await sql<ClaimedRecord[]>`
          select id, source_id as "sourceId", metadata::text as metadata
          from batch_records where batch = ${batch} and status = 'pending' order by source_id`
      : await sql<ClaimedRecord[]>`
          select c.batch_record as id, c.source_id as "sourceId", r.metadata::text as metadata
          from (select source_id, batch_record from recompute_records where batch = ${batch} and status = 'pending' offset 0) c
          cross join lateral (select metadata from batch_records where id = c.batch_record offset 0) r
          order by c.source_id`;
  const files = await filesOfRecords(
    sql,
    records.map(({ id }) => id),
  );
  const runs = await sql<(Omit<ClaimedRun, 'release'> & ReleaseContent & { feature: FeatureContract })[]>`
    select run.id, run.hook, run.version, h.feature, r.runtime, r.image, r.digest, r.command, r.config, r.limits,
           r.source_ref,
           (select count(*) filter (where ending = 'timeout') from attempts a where a.run = run.id)::int as timeouts,
           (select count(*) filter (where ending = 'not_started' or resolved_digest <> r.digest)
            from attempts a where a.run = run.id)::int as "notStarted"
    from runs run
    join releases r on r.hook = run.hook and r.version = run.version
    join hooks h on h.name = run.hook
    left join convention_hooks c on c.slug = ${row.convention} and c.hook = run.hook
    where run.batch = ${batch} order by c.position nulls last, run.hook`;
  return {
    ...row,
    batch,
    fence,
    records: files.size === 0 ? records : records.map((one) => withFiles(one, files.get(one.id))),
    runs: runs.map(({ id, hook, version, feature, timeouts, notStarted, ...release }) => {
      return { id, hook, version, feature, timeouts, notStarted, release };
    }),
  };
}

function withFiles(record: ClaimedRecord, files: ClaimedRecord['files']): ClaimedRecord {
  return files === undefined ? record : { ...record, files };
}
