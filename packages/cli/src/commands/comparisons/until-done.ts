import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import type { Comparison } from './report.ts';

const firstPollMs = 100;
const slowestPollMs = 1_000;

/**
 * Waits until a comparison is done or has failed, or for `timeoutMs`. The scopes are those that show its values.
 *
 * @throws OsaError `interrupted`, or what the server answers; the comparison goes on
 */
export async function untilDone(
  { output, signal }: Context,
  client: Client,
  id: string,
  {
    timeoutMs = Number.POSITIVE_INFINITY,
    scopes,
  }: { readonly timeoutMs?: number | undefined; readonly scopes: readonly string[] },
): Promise<Comparison> {
  const deadline = performance.now() + timeoutMs;
  let comparison: Comparison | undefined;
  let isTold = false;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
    try {
      comparison = await client.call('showComparison', { params: { id }, scopes });
      if (comparison.report || comparison.status === 'failed') return comparison;
      if (performance.now() > deadline) return comparison;
      if (!isTold && comparison.status === 'queued' && pollMs >= slowestPollMs) {
        output.note('waits for a worker that can start the release');
        isTold = true;
      }
      await wait(pollMs, undefined, { signal });
    } catch (cause) {
      if (signal.aborted) {
        throw new OsaError('interrupted', 'interrupted; the comparison goes on and changes nothing', {
          cause,
        });
      }
      if (!['unavailable', 'busy', 'rate_limited'].includes(asOsaError(cause)?.code ?? '')) throw cause;
      if (performance.now() > deadline) throw cause;
      await wait(pollMs);
    }
  }
}
