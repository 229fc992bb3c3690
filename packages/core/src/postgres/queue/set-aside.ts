import { asOsaError } from '../../error.ts';
import { backoffMs } from '../../run/policy.ts';
import type { ClaimFailure } from '../../run/queue.ts';
import type { Database } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';
import type { Candidate } from './candidate.ts';

/**
 * Moves a batch whose claim failed behind the others, with the reason and a delay that grows with each failure. Nothing
 * of the failed claim is stored. Undefined when somebody else has claimed the batch or is about to.
 */
export async function setAside(
  { sql }: Database,
  { id, fence, convention, ingestion, recompute, claimFailures }: Candidate,
  error: unknown,
): Promise<ClaimFailure | undefined> {
  const reason = `${asOsaError(error)?.code ?? 'internal'} error while the batch was claimed; the daemon's log says more`;
  const delayMs = backoffMs(claimFailures + 1);
  const [row] = await sql<{ failures: number }[]>`
    update batches
    set claim_failures = claim_failures + 1, reason = ${reason},
        available_at = clock_timestamp() + ${delayMs} * interval '1 millisecond'
    where id = (
      select id from batches
      where id = ${id} and fence = ${fence} and status in ('queued', 'running', 'parked')
      for no key update skip locked)
    returning claim_failures as failures`;
  return row && { batch: id, convention, ingestion, recompute, failures: row.failures, error };
}

/** A batch whose claims fail, and how many failed one after the other. */
export type FailingBatch = Omit<ClaimFailure, 'error'>;

/** The unfinished batches whose last claim failed, the most failures first; a hundred at most. */
export async function failingBatches({ sql }: Pick<Database, 'sql'>): Promise<FailingBatch[]> {
  return sql<FailingBatch[]>`
    select id as batch, convention, ingestion, recompute, claim_failures as failures from batches
    where claim_failures > 0 and finished_at is null and ${isShown(sql, sql`batches.id`)} order by claim_failures desc, id limit 100`;
}
