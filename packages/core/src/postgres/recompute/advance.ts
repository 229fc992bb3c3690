import { failpoint } from '../../failpoint.ts';
import type { Claimant } from '../../run/queue.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { isConnectionLost, isLockTimeout } from '../connection/sqlstate.ts';
import { turnOf } from '../queue/end.ts';
import { batchesChannel } from '../queue/lease.ts';
import { useIndexLookups } from '../queue/plans.ts';
import { addBatch } from './add-batch.ts';
import { takeBackFromReview, waitForOthers } from './in-review.ts';
import { nextStep, type Step, type Walk } from './walk.ts';

/** Batches of one recompute that wait for a worker; no more are cut beforehand. */
const mostWaiting = 4;

/** How many open recomputes one claim looks at. */
const mostOpen = 16;

/** How many steps one claim takes with each of them. */
const mostSteps = 16;

/** How long cutting waits for sources that an upload holds. */
const patienceMs = 500;

/**
 * Goes on with the recomputes that are open: cuts the next batch of one of which few wait, and ends one of which nothing
 * is left. Each recompute is advanced by one worker at a time.
 */
export async function advanceRecomputes(
  database: Database,
  { advanceFailed }: Pick<Claimant, 'advanceFailed'>,
): Promise<void> {
  const open = await database.sql<{ id: string }[]>`
    select id from recomputes where finished_at is null and paused_at is null order by id limit ${mostOpen}`;
  for (const { id } of open) {
    try {
      for (let steps = 0; steps < mostSteps; steps += 1) {
        if ((await database.transaction((tx) => advance(tx, id))) === 'rests') break;
      }
    } catch (error) {
      if (isConnectionLost(error)) throw error;
      // Sources that somebody holds: the next claim tries again.
      if (!isLockTimeout(error)) advanceFailed?.({ recompute: id, error });
    }
  }
}

/** One step; `rests` where there is nothing to do at the moment. */
async function advance(tx: Transaction, id: string): Promise<'goes on' | 'rests'> {
  const [turn] = await tx<{ held: boolean }[]>`select pg_try_advisory_xact_lock(${turnOf(tx, id)}) as held`;
  if (!turn?.held) return 'rests';
  await useIndexLookups(tx);
  const [state] = await tx<{ is_cut: boolean; waiting: number }[]>`
    select cut_at is not null as is_cut, (
      select count(*) from (
        select from batches where recompute = ${id} and status = 'queued' limit ${mostWaiting}) b)::integer as waiting
    from recomputes where id = ${id} and finished_at is null and paused_at is null`;
  if (!state) return 'rests';
  if (state.is_cut) return finishWhereDone(tx, id);
  await tx`select set_config('lock_timeout', ${String(patienceMs)}, true)`;
  if (await takeBackFromReview(tx, id)) return 'rests';
  if (state.waiting >= mostWaiting) return 'rests';
  const walk = await nextWalk(tx, id);
  if (walk) return cut(tx, walk);
  const [left] = await tx`select from recompute_walks where recompute = ${id} and done_at is null limit 1`;
  if (left) return 'rests';
  if (await waitForOthers(tx, id)) return 'goes on';
  await tx`update recomputes set cut_at = clock_timestamp() where id = ${id}`;
  return 'goes on';
}

/** A run that was going is walked when it has ended. */
async function nextWalk(tx: Transaction, id: string): Promise<Walk | undefined> {
  const [walk] = await tx<Walk[]>`
    select w.recompute, c.hook, c.convention, c.batch_size, w.position, w.version, w.only_run, w.is_list, w.missing_in,
           w.after_run, w.after_record::text, w.after_source
    from recompute_walks w join recomputes c on c.id = w.recompute
    where w.recompute = ${id} and w.done_at is null
      and (w.only_run is null
           or (select finished_at from runs where id = w.only_run) is not null)
    order by w.position limit 1`;
  return walk;
}

async function cut(tx: Transaction, walk: Walk): Promise<'goes on'> {
  const step = await nextStep(tx, walk);
  if (step.convention !== undefined && step.sources.length > 0) {
    await addBatch(tx, { recompute: walk.recompute, convention: step.convention, sources: step.sources });
  }
  await failpoint('recompute.mid-cut');
  await move(tx, walk, step);
  return 'goes on';
}

async function move(tx: Transaction, walk: Walk, { after, isDone }: Step): Promise<void> {
  await tx`
    update recompute_walks
    set after_run = ${after.run ?? null}, after_record = ${after.record ?? null}, after_source = ${after.source ?? null},
        done_at = case when ${isDone} then clock_timestamp() end
    where recompute = ${walk.recompute} and position = ${walk.position}`;
  await tx`select pg_notify(${batchesChannel}, '')`;
}

/** Nothing is left: all is cut, and no batch is open. */
async function finishWhereDone(tx: Transaction, id: string): Promise<'rests'> {
  const [open] = await tx`
    select from batches where recompute = ${id} and status in ('queued', 'running', 'parked') limit 1`;
  if (open) return 'rests';
  const ended = await tx<{ hook: string }[]>`
    update recomputes set finished_at = clock_timestamp() where id = ${id} and finished_at is null returning hook`;
  for (const { hook } of ended) {
    await tx`
      insert into events (type, payload)
      values ('recompute.finished', ${tx.json({ recompute: id, hook })}::jsonb)`;
  }
  return 'rests';
}
