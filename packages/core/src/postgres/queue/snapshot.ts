import { v7 as uuid7 } from 'uuid';
import { OsaError } from '../../error.ts';
import type { Runtime } from '../../hook/release.ts';
import { parkedMs } from '../../run/policy.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';

/**
 * Stores which release of each hook runs this batch. The hooks are locked first, in name order, and their live
 * versions are read from the locked rows, in a statement that joins nothing: a rollback that has answered is
 * seen, and one under way waits for us or we for it. False when a hook is paused; or has no live release, or one that
 * this worker cannot start: then the batch is parked with that reason, and resolved anew when it is looked at again.
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
