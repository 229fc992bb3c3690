import { asOsaError } from '../../error.ts';
import { digestInput } from '../../run/execute.ts';
import type { Execution } from '../../run/execution.ts';
import { holdLease } from '../../run/lease.ts';
import { backoffMs } from '../../run/policy.ts';
import type { Ended } from '../../run/runner.ts';
import { runAgain } from './again.ts';
import { cannotAll, certify } from './certify.ts';
import { mostTries } from './policy.ts';
import type { HeldPart, NewCertificate, ReplayQueue } from './replays.ts';

/**
 * Takes one part of a replay, if there is one: runs it once more, compares, and writes the certificates. Aborting `stop`
 * kills the code and gives the part back.
 */
export async function executeReplay(execution: Execution, stop: AbortSignal): Promise<boolean> {
  const queue = execution.replays;
  if (!queue || stop.aborted) return false;
  const { worker, log } = execution;
  const runtimes = execution.runners.flatMap((runner) => runner.runtimes);
  const held = await queue.claim({ ...worker, runtimes });
  if (!held) return false;
  log('replay.claimed', namesOf(held));
  await using lease = holdLease({ ...execution, queue }, held, stop);
  const endings: Ended[] = [];
  try {
    const decision = await replayPart(execution, queue, held, { signal: lease.signal, endings });
    await lease.stopRenewing();
    if ('certificates' in decision) await queue.finish(held, decision.certificates);
    else await queue.postpone(held, decision);
  } catch (error) {
    await lease.stopRenewing();
    await letGo(execution, queue, held, { error, stop });
  } finally {
    for (const ending of endings) await ending.dispose();
  }
  return true;
}

function namesOf({ batch, fence, run, hook, version }: HeldPart) {
  return { part: batch, fence, run, hook, version };
}

type Decision =
  | { readonly certificates: readonly NewCertificate[] }
  | { readonly reason: string | null; readonly delayMs: number };

async function replayPart(
  execution: Execution,
  queue: ReplayQueue,
  held: HeldPart,
  { signal, endings }: { readonly signal: AbortSignal; readonly endings: Ended[] },
): Promise<Decision> {
  const records = await queue.records(held);
  const cannot = (reason: string): Decision => ({ certificates: cannotAll(held, records, reason) });
  const inputDigest = digestInput({ records });
  const obstacle = obstacleTo(execution, held, inputDigest);
  if (obstacle !== undefined) return cannot(obstacle);
  const { result, starts } = await runAgain(execution, held, records, { signal, endings, inputDigest });
  if (!('action' in result)) return { certificates: await certify(queue, held, records, { result, starts }) };
  signal.throwIfAborted();
  const { action, reason } = result;
  if (action !== 'retry_later' || held.failures + 1 >= mostTries.failed) return cannot(reason);
  return { reason, delayMs: backoffMs(held.failures + 1) };
}

/** Why the part cannot be run here or anywhere, if it cannot. */
function obstacleTo(
  { runners }: Execution,
  { lost, release, whole, inputDigest: stored }: HeldPart,
  inputDigest: string,
): string | undefined {
  if (lost >= mostTries.lost) return `${lost} workers were lost while they ran it`;
  if (!runners.some(({ runtimes }) => runtimes.includes(release.runtime))) {
    const what = release.runtime === 'directory' ? 'a directory' : 'an image';
    const why = release.runtime === 'directory' ? '; daemons run directories in development only' : '';
    return `its release runs in ${what}, which no running worker starts${why}`;
  }
  if (whole && stored !== null && stored !== inputDigest) {
    return `the records are not those that the run had: their digest is ${inputDigest} and was ${stored}`;
  }
  return undefined;
}

/**
 * With the lease gone there is nothing to do. Otherwise the part is given back. A part that fails again and again gets
 * a certificate that says why; where even that is refused, it ends without one.
 */
async function letGo(
  { log }: Execution,
  queue: ReplayQueue,
  held: HeldPart,
  { error, stop }: { readonly error: unknown; readonly stop: AbortSignal },
): Promise<void> {
  const code = asOsaError(error)?.code ?? 'internal';
  log('replay.let_go', { ...namesOf(held), stopping: stop.aborted, code, error });
  if (code === 'lease_lost') return;
  const tries = Number(held.fence);
  const failed = !stop.aborted && code !== 'unavailable';
  const isLast = failed ? held.failures + 1 >= mostTries.failed : !stop.aborted && tries >= mostTries.all;
  const reason = `${code} error while it was run; the daemon's log says more`;
  const tell = async () => {
    if (isLast) return endWithout(queue, held, `${reason}; given up after ${tries} tries`);
    const delayMs = stop.aborted ? 0 : backoffMs(failed ? held.failures + 1 : tries);
    return queue.postpone(held, { reason: failed ? reason : null, delayMs });
  };
  await tell().catch((cause: unknown) => log('replay.lease_runs_out', { ...namesOf(held), error: cause }));
}

async function endWithout(queue: ReplayQueue, held: HeldPart, reason: string): Promise<void> {
  try {
    await queue.finish(held, cannotAll(held, await queue.records(held), reason));
  } catch (cause) {
    if (asOsaError(cause)?.code === 'lease_lost') throw cause;
    await queue.giveUp(held, reason);
  }
}
