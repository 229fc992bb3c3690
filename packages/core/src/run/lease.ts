import { OsaError } from '../error.ts';
import type { Execution } from './execution.ts';
import type { BatchQueue, Lease } from './queue.ts';

/**
 * Renews the lease; its signal aborts when the lease is lost, or may be, or the worker stops. News of the end of the
 * batch comes by `execution.held`, and the lease is renewed at once. Renewing ends before the batch is settled: from
 * then on the row's lock holds the batch, and a renewal would only wait for it.
 */
export function holdLease(
  execution: Pick<Execution, 'worker' | 'held' | 'log'> & { readonly queue: Pick<BatchQueue, 'renew'> },
  claim: Lease,
  stop: AbortSignal,
) {
  const { leaseMs } = execution.worker;
  const lost = new AbortController();
  const lose = (reason: string) => lost.abort(new OsaError('lease_lost', `batch ${claim.batch}: ${reason}`));
  const expire = () => setTimeout(lose, leaseMs, 'the lease was not renewed in time');
  let expiry = expire();
  let renewal: Promise<void> = Promise.resolve();
  const renew = async () => {
    // The lease counts from before the question, since the answer may be late.
    const next = expire();
    try {
      if (!(await execution.queue.renew(claim, leaseMs))) lose('another worker holds it');
      clearTimeout(expiry);
      expiry = next;
    } catch (error) {
      // The next renewal may reach the database; if none does, the expiry speaks.
      clearTimeout(next);
      execution.log('batch.not_renewed', { batch: claim.batch, fence: claim.fence, error });
    }
  };
  const look = () => {
    renewal = renewal.then(renew);
  };
  const timer = setInterval(look, leaseMs / 3);
  execution.held.set(claim.batch, look);
  const stopRenewing = async () => {
    if (execution.held.get(claim.batch) === look) execution.held.delete(claim.batch);
    clearInterval(timer);
    await renewal;
    clearTimeout(expiry);
  };
  return { signal: AbortSignal.any([lost.signal, stop]), stopRenewing, [Symbol.asyncDispose]: stopRenewing };
}
