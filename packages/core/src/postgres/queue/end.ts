import type { Claim } from '../../run/queue.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { waitingFor, waitingForAll } from '../lock-wait.ts';
import { abandonAttempts } from './attempts.ts';
import { batchesChannel, leaseLost } from './lease.ts';
import { useIndexLookups } from './plans.ts';

/**
 * Ends batches that are not done, which the caller has locked: what is pending in them is errored with what has ended,
 * and the reason. A worker that holds one hears it at once, and could write nothing in any case.
 */
export async function endBatches(
  tx: Transaction,
  batches: readonly string[],
  {
    ended,
    reason,
  }: {
    readonly ended:
      | 'the ingestion was stopped'
      | 'the recompute was stopped'
      | 'the batch was given up'
      | 'the batch is claimed again';
    readonly reason: string;
  },
): Promise<void> {
  const ids = arrayText(batches);
  await useIndexLookups(tx);
  await abandonAttempts(tx, batches);
  await tx`
    update batch_records set status = 'errored', reason = ${`${ended}: ${reason}`}
    where batch = any (${ids}::text::uuid[]) and status = 'pending'`;
  await tx`
    update recompute_records set status = 'errored', reason = ${`${ended}: ${reason}`}
    where batch = any (${ids}::text::uuid[]) and status = 'pending'`;
  await tx`
    update batches b
    set status = 'failed', reason = ${reason}, lease_until = null, finished_at = clock_timestamp(),
        errored = errored + (select count(*) from batch_records r where r.batch = b.id and r.status = 'errored')
          + (select count(*) from recompute_records r where r.batch = b.id and r.status = 'errored')
    where id = any (${ids}::text::uuid[])`;
  await tx`
    update runs set status = 'error', reason = ${reason}, finished_at = clock_timestamp()
    where status is null and batch = any (${ids}::text::uuid[])`;
  await tx`
    insert into events (type, payload)
    select 'batch.failed', jsonb_build_object('batch', id, 'reason', ${reason}::text)
    from unnest(${ids}::text::text[]) as ended (id)
    where not exists (select from private_batches where batch = ended.id::uuid offset 0)`;
  await tx`select pg_notify(${batchesChannel}, id) from unnest(${ids}::text::text[]) as ended (id)`;
}

/**
 * Ends the ingestion or recompute of a claim. All statements are about the batches that the first one locks; a retry may
 * make new ones meanwhile.
 */
export async function stopIngestion(tx: Transaction, claim: Claim, reason: string): Promise<void> {
  const { ingestion, recompute } = claim;
  if (recompute !== null) await takeTurn(tx, recompute);
  const open = await lockOpen(tx, recompute ?? ingestion ?? '');
  const held = await tx`
    select from batches
    where id = ${claim.batch} and fence = ${claim.fence} and status = 'running' and lease_until > clock_timestamp()`;
  if (held.length === 0) throw leaseLost(claim.batch);
  if (recompute !== null) return stopRecompute(tx, recompute, { open, reason, isCancelled: false });
  await endBatches(tx, open, { ended: 'the ingestion was stopped', reason });
  await tx`update ingestions set stopped_at = clock_timestamp(), stop_reason = ${reason} where id = ${ingestion}`;
}

/** Ends a recompute, whose turn and open batches the caller holds. Records that are not cut yet stay as they are. */
export async function stopRecompute(
  tx: Transaction,
  id: string,
  { open, reason, isCancelled }: { open: readonly string[]; reason: string; isCancelled: boolean },
): Promise<void> {
  await endBatches(tx, open, { ended: 'the recompute was stopped', reason });
  await tx`
    update recomputes
    set stopped_at = clock_timestamp(), stop_reason = ${reason}, cancelled = ${isCancelled},
        cut_at = coalesce(cut_at, clock_timestamp()), finished_at = clock_timestamp(),
        paused_at = null, pause_reason = null, paused_by = null
    where id = ${id}`;
}

/** Ends all of an ingestion that is not done. */
export async function cancelIngestion(tx: Transaction, id: string, reason: string): Promise<number> {
  await waitingFor(tx, `ingestion ${id}, which is retried or cancelled`, () => takeTurn(tx, id));
  await useIndexLookups(tx);
  const open = await waitingForAll(tx, `a batch of ingestion ${id}, which is claimed or written`, () =>
    lockOpen(tx, id),
  );
  if (open.length === 0) return 0;
  await endBatches(tx, open, { ended: 'the ingestion was stopped', reason });
  await tx`
    update ingestions
    set stopped_at = clock_timestamp(), stop_reason = ${reason}, cancelled = true,
        paused_at = null, pause_reason = null, paused_by = null
    where id = ${id}`;
  return open.length;
}

/**
 * Cancellations and retries of one ingestion or recompute come one after the other. The row itself would be the wrong thing to lock
 * first: claims take a batch and then the row of its ingestion.
 */
export async function takeTurn(tx: Transaction, id: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(${turnOf(tx, id)})`;
}

/** The key of the advisory lock. */
export function turnOf(tx: Transaction, id: string) {
  return tx`hashtextextended('osa.ingestion ' || ${id}, 0)`;
}

/** The batches of an ingestion or a recompute that are not done, locked in one order. */
export async function lockOpen(tx: Transaction, id: string): Promise<string[]> {
  const open = await tx<{ id: string }[]>`
    select id from batches
    where (ingestion = ${id} or recompute = ${id}) and status in ('queued', 'running', 'parked', 'held')
    order by id for no key update`;
  return open.map((batch) => batch.id);
}
