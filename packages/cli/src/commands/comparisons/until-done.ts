import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { follow } from '../follow.ts';
import type { Comparison } from './report.ts';

/** Within this time a worker has usually begun. Milliseconds. */
const usualStartMs = 3_000;

/**
 * Waits until a comparison is done or has failed, or for `timeoutMs`. The scopes are those that show its values.
 *
 * @throws OsaError as `follow` does
 */
export async function untilDone(
  { output, signal }: Context,
  client: Client,
  id: string,
  { timeoutMs, scopes }: { readonly timeoutMs?: number | undefined; readonly scopes: readonly string[] },
): Promise<Comparison> {
  const began = performance.now();
  let isTold = false;
  const comparison = {
    id,
    goesOn: `the comparison goes on and changes nothing: osa comparisons show ${id}`,
    look: () => client.call('showComparison', { params: { id }, scopes }),
    take({ report, status }: Comparison) {
      if (report || status === 'failed') return 'done';
      if (isTold || status !== 'queued' || performance.now() - began < usualStartMs) return undefined;
      output.note('waits for a worker that can start the release');
      isTold = true;
      return undefined;
    },
  } as const;
  return (await follow(comparison, { signal, timeoutMs })).last;
}
