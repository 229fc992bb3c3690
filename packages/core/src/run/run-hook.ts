import { failpoint } from '../failpoint.ts';
import type { Attempted } from './attempt.ts';
import { Attempts, type HookContext } from './attempts.ts';
import type { HookClaim, HookExecution } from './execution.ts';
import { backoffMs, type Fact, mostTries, policy } from './policy.ts';
import type { ClaimedRun, RunResult } from './queue.ts';

/** One action that ends the claim without results. */
export interface StoppedClaim {
  readonly action: 'retry_later' | 'stop_ingestion' | 'let_go';
  readonly reason: string;
  /** Until the batch may be claimed again. */
  readonly delayMs: number;
}

/**
 * Runs one hook over the records of a claim, by as many attempts as it takes. All of it lives within this claim.
 *
 * - An attempt that ran out of memory is followed by one with more, over the records that it did not finish; its whole
 *   answers are kept.
 * - An attempt that exits with another code than 0, or by a signal, answered nothing: what it wrote is discarded, since
 *   an exit code is the only way in which code can withdraw its output, and the database accepts no answer of such an
 *   attempt. Its records are divided in two, and each half is run; a half that ends well is kept. So only the
 *   record that ends the code is errored. `division` bounds the search.
 * - A timeout may come from a slow machine, so the batch is tried again later. The last of `mostTries` is divided too.
 */
export async function runHook(
  execution: HookExecution,
  claim: HookClaim,
  run: ClaimedRun,
  context: HookContext,
): Promise<RunResult | StoppedClaim> {
  if (claim.records.length === 0) return withoutRecords(run, context);
  const attempts = new Attempts(execution, claim, run, context);
  do {
    const tried = await runPart(attempts);
    if (tried.fact === 'exited_nonzero' && execution.isEnding?.()) return triedWhileEnding(run, tried);
    const action = policy[tried.fact];
    if (action === 'divide') await attempts.divide(tried);
    else if (action === 'give_up') attempts.giveUp(tried);
    else if (action !== 'done' && action !== 'more_memory') {
      const stopped = stop(run, tried, action);
      if (stopped) return stopped;
      if (tried.fact === 'timeout') await attempts.divide(tried);
      else {
        attempts.giveUpAll(tried);
        return attempts.result(tried.ended ? 'failed' : 'error');
      }
    }
  } while (attempts.nextPart());
  return attempts.result('failed');
}

/** A machine that shuts down ends the hooks as well, and nobody can tell that from an end of their own. */
function triedWhileEnding({ hook }: ClaimedRun, { reason }: Attempted): StoppedClaim {
  return {
    action: 'retry_later',
    reason: `hook ${hook}: ${reason} while the daemon was stopping`,
    delayMs: 0,
  };
}

/** Starts the code over the part, again with more memory while it runs out of it; the answer is the last attempt. */
async function runPart(attempts: Attempts): Promise<Attempted> {
  for (;;) {
    const tried = await attempts.next();
    const action = policy[tried.fact];
    if (action === 'done') await attempts.keep(tried);
    if (action !== 'more_memory') return tried;
    await failpoint('oom.detected');
    // Code that lost a process and went on to exit with 0 may have answered without what that process knew.
    if (tried.ended?.exitCode !== 0) await attempts.keepFinished(tried);
    if (attempts.isPartAnswered()) return tried;
    if (attempts.raiseMemory()) continue;
    attempts.giveUp({ ...tried, reason: attempts.describeMemory() });
    return tried;
  }
}

/** Ends the claim; undefined when the run has been tried too often for that. */
function stop(run: ClaimedRun, tried: Attempted, action: StoppedClaim['action']): StoppedClaim | undefined {
  const tries = 1 + triesBefore(run, tried.fact);
  if (tries >= (mostTries[tried.fact] ?? Infinity)) return undefined;
  const delayMs = action === 'retry_later' ? backoffMs(tries) : 0;
  return { action, reason: `hook ${run.hook}: ${tried.reason}`, delayMs };
}

/** Tries of this hook only: those of other hooks of the batch do not count. */
function triesBefore({ timeouts, notStarted }: ClaimedRun, fact: Fact): number {
  return fact === 'timeout' ? timeouts : fact === 'not_started_unavailable' ? notStarted : 0;
}

function withoutRecords(run: ClaimedRun, { inputDigest }: HookContext): RunResult {
  const none = { attempt: null, startedAt: null, output: null, answeredBy: new Map() };
  return { run, status: 'passed', reason: null, inputDigest, ...none };
}
