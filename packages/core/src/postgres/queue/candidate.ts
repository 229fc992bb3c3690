import { type Runtime, runtimes } from '../../hook/release.ts';
import type { Claimant } from '../../run/queue.ts';
import { arrayText } from '../array.ts';
import { isLeaseOver } from '../clock.ts';
import type { Transaction } from '../connection/connect.ts';
import { useIndexLookups } from './plans.ts';

export interface Candidate {
  readonly id: string;
  readonly ingestion: string | null;
  readonly recompute: string | null;
  readonly convention: string;
  readonly hasSnapshot: boolean;
  readonly fence: string;
  /** Claims of it that failed, one after the other. */
  readonly claimFailures: number;
  /** How often a worker was lost with it, the last one included. */
  readonly lost: number;
}

/**
 * The oldest batch that may run here. It is queued, or its lease ran out. It is not paused, this worker can start its
 * hooks and has room for them, and no unfinished batch before it has one of its sources. A batch that failed without
 * having run is passed over: those behind it wait for what it waited for. Gates never come back once they are open, so
 * reading them in an older state is safe; pauses and live releases are looked at again under their locks.
 *
 * A batch whose hooks this worker cannot start is chosen once, while it is queued, to be parked with the reason. Later
 * it is left to the workers that can start it.
 */
export async function lockCandidate(
  tx: Transaction,
  worker: Claimant,
  { busy, patienceMs }: { readonly busy: readonly string[]; readonly patienceMs: number },
): Promise<Candidate | undefined> {
  await tx`select set_config('lock_timeout', ${String(patienceMs)}, true)`;
  await useIndexLookups(tx);
  const full = arrayText(worker.fullHooks);
  const able = arrayText(worker.runtimes);
  const [row] = await tx<Candidate[]>`
    with closed as materialized (
      select array(
          select c.slug from convention_hooks c join hooks h on h.name = c.hook
          where h.paused_at is not null or h.name = any (${full}::text::text[])) as conventions,
        ${arrayText(busy)}::text::text[] as busy,
        ${beyond(tx, worker.runtimes)} as beyond,
        array(select id from ingestions where paused_at is not null) as ingestions,
        array(select id from recomputes where finished_at is null and paused_at is not null) as paused_recomputes,
        array(
          select r.id from recomputes r join hooks h on h.name = r.hook
          where r.finished_at is null and (h.paused_at is not null or h.name = any (${full}::text::text[]))) as recomputes,
        ${recomputesBeyond(tx, worker.runtimes)} as recomputes_beyond
    )
    select id, ingestion, recompute, convention, fence, claim_failures as "claimFailures", snapshot_at is not null as "hasSnapshot",
           lost + (status = 'running')::integer as lost
    from batches b
    where available_at <= clock_timestamp()
      and status in ('queued', 'running', 'parked')
      and (status <> 'running' or ${isLeaseOver(tx, tx`lease_until`)})
      and (ingestion is null or ingestion <> all ((select ingestions from closed)::uuid[]))
      and (recompute is null or recompute <> all ((select paused_recomputes from closed)::uuid[]))
      and convention <> all ((select busy from closed)::text[])
      and case when snapshot_at is null and recompute is not null
        then recompute <> all ((select recomputes from closed)::uuid[])
          and (status = 'queued' or recompute <> all ((select recomputes_beyond from closed)::uuid[]))
        when snapshot_at is null
        then convention <> all ((select conventions from closed)::text[])
          and (status = 'queued' or convention <> all ((select beyond from closed)::text[]))
        else (
          select true from runs r
          join hooks h on h.name = r.hook
          join releases l on l.hook = r.hook and l.version = r.version
          where r.batch = b.id and (h.paused_at is not null or h.name = any (${full}::text::text[])
                                    or l.runtime <> all (${able}::text::text[]))
          limit 1) is null
        end
      and not exists (
        with recursive ahead (id) as (
          select g.predecessor from batch_gates g where g.batch = b.id
          union
          select g.predecessor from ahead a
          join batches p on p.id = a.id and p.status = 'failed'
          join batch_gates g on g.batch = p.id)
        select from ahead a join batches p on p.id = a.id where p.status in ('queued', 'running', 'parked', 'held'))
    order by available_at, id
    limit 1
    for no key update of b skip locked`;
  return row;
}

/** The conventions with a hook whose live release the worker cannot start; a worker that can start all has none. */
function beyond(tx: Transaction, able: readonly Runtime[]) {
  if (runtimes.every((runtime) => able.includes(runtime))) return tx`'{}'::text[]`;
  return tx`array(
    select c.slug from convention_hooks c
    join hooks h on h.name = c.hook
    join releases r on r.hook = h.name and r.version = h.live_version
    where r.runtime <> all (${arrayText(able)}::text::text[]))`;
}

/** The same for recomputes, each of which is of one hook. */
function recomputesBeyond(tx: Transaction, able: readonly Runtime[]) {
  if (runtimes.every((runtime) => able.includes(runtime))) return tx`'{}'::uuid[]`;
  return tx`array(
    select c.id from recomputes c
    join hooks h on h.name = c.hook
    join releases r on r.hook = h.name and r.version = h.live_version
    where c.finished_at is null and r.runtime <> all (${arrayText(able)}::text::text[]))`;
}
