import { OsaError } from '../../error.ts';
import type { Lease } from '../../run/queue.ts';
import type { Database } from '../connection/connect.ts';

/** The channel that is notified when a batch may have become claimable. */
export const batchesChannel = 'osa_batches';

export function leaseLost(batch: string): OsaError {
  return new OsaError(
    'lease_lost',
    `batch ${batch} is held by another worker, or its lease ran out; nothing is written`,
  );
}

export async function renew({ sql }: Database, { batch, fence }: Lease, leaseMs: number): Promise<boolean> {
  const rows = await sql`
    update batches set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    returning id`;
  return rows.length > 0;
}

/** Gives a batch back, to be claimed after a delay. */
export async function postpone(
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

/** Ends the leases of a worker that stops. */
export async function giveBack({ sql }: Database, workerName: string): Promise<number> {
  const rows = await sql`
    update batches set lease_until = clock_timestamp() - interval '1 millisecond'
    where status = 'running' and claimed_by = ${workerName} and lease_until > clock_timestamp() returning id`;
  return rows.length;
}
