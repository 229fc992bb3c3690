import type { Context } from '../../command.ts';
import { waitExits } from '../../exit.ts';
import type { Client } from '../../http/client.ts';
import { milliseconds } from '../../terminal/parse.ts';
import { follow } from '../follow.ts';
import { type Deposition, depositionLines, scopes } from './lines.ts';

export const waitOptions = {
  wait: { description: 'wait until the hooks have run; exit with 1 when it comes back' },
  timeout: {
    value: 'TIME',
    description: 'wait at most this long, such as 90s or 15m; then exit with 7',
    parse: milliseconds,
  },
} as const;

/**
 * Shows what is submitted, once its hooks have run where `wait` says so. The code is 1 for what came back, and 7 for
 * what is not done in time.
 *
 * @throws OsaError `interrupted`, or what the server answers; the submission goes on, and the message says how to look at it
 */
export async function showSubmitted(
  context: Context,
  client: Client,
  deposition: Deposition,
  { wait: isWaiting, timeout }: { readonly wait: boolean; readonly timeout: number | undefined },
): Promise<number> {
  const { output } = context;
  const ended = isWaiting ? await untilValidated(context, client, deposition.id, timeout) : deposition;
  output.result(ended, depositionLines(ended));
  if (!isWaiting || ended.status === 'accepted' || ended.status === 'in_review') return 0;
  if (ended.status === 'draft') {
    output.note('exit code 1: it came back');
    return 1;
  }
  output.note(`exit code ${waitExits.timeout}: the time to wait is over; osa depositions show ${ended.id}`);
  return waitExits.timeout;
}

async function untilValidated(
  { output, signal }: Context,
  client: Client,
  id: string,
  timeoutMs: number | undefined,
): Promise<Deposition> {
  let told = '';
  const submission = {
    id,
    goesOn: `the submission goes on: osa depositions show ${id}`,
    look: () => client.call('showDeposition', { params: { id }, scopes }),
    take({ status, submissions }: Deposition) {
      if (status !== 'in_validation') return 'done';
      const waits = submissions[0]?.waits ?? 'its hooks run';
      if (waits !== told) output.note(`waiting: ${waits}`);
      told = waits;
      return undefined;
    },
  } as const;
  return (await follow(submission, { signal, timeoutMs })).last;
}
