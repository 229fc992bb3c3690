import { OsaError } from '../../error.ts';

/** The channel that is notified when a batch may have become claimable. */
export const batchesChannel = 'osa_batches';

export function leaseLost(batch: string): OsaError {
  return new OsaError(
    'lease_lost',
    `batch ${batch} is held by another worker, or its lease ran out; nothing is written`,
  );
}
