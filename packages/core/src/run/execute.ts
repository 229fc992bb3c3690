import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { digestText } from '../file/file.ts';
import type { Execution } from './execution.ts';
import { holdLease } from './lease.ts';
import { backoffMs, maxFailures } from './policy.ts';
import type { Claim, ClaimFailure, RunResult } from './queue.ts';
import { runHook, type StoppedClaim } from './run-hook.ts';
import type { Ended } from './runner.ts';

/** Milliseconds between tries to tell a database that is away. */
const retellMs = 500;

/**
 * Takes one batch through its life: claim → snapshot → run each hook → check the output → commit.
 * The answer says whether there was one. Aborting `stop` kills the code that runs and gives the batch back.
 */
export async function executeNext(execution: Execution, stop: AbortSignal): Promise<boolean> {
  const runtimes = execution.runners.flatMap((runner) => runner.runtimes);
  const { queue, slots, worker } = execution;
  const claimFailed = (failure: ClaimFailure) => execution.log('batch.claim_failed', { ...failure });
  const advanceFailed = (failure: object) => execution.log('recompute.advance_failed', { ...failure });
  const claim = await slots.claim((fullHooks) =>
    queue.claim({ ...worker, runtimes, fullHooks, claimFailed, advanceFailed }),
  );
  if (!claim) return false;
  using held = new DisposableStack();
  held.defer(() => slots.free(claim));
  execution.log('batch.claimed', { ...namesOf(claim), records: claim.records.length });
  await using lease = holdLease(execution, claim, stop);
  const endings: Ended[] = [];
  try {
    const decision = await runHooks(execution, claim, lease.signal, endings);
    await lease.stopRenewing();
    await settle(execution, claim, decision);
    await failpoint('ack.after');
  } catch (error) {
    await letGo(execution, claim, error, stop);
  } finally {
    for (const ending of endings) await ending.dispose();
  }
  return true;
}

/** The claim's names for the log, so that a reader finds the ingestion or recompute. */
function namesOf({ batch, fence, ingestion, recompute, convention }: Claim) {
  return { batch, fence, ...(recompute === null ? { ingestion } : { recompute }), convention };
}

/** The decision on a batch after its hooks: results to commit, or one action that ends this claim. */
type Decision = { readonly action: 'commit'; readonly results: readonly RunResult[] } | StoppedClaim;

async function runHooks(
  execution: Execution,
  claim: Claim,
  signal: AbortSignal,
  endings: Ended[],
): Promise<Decision> {
  const inputDigest = digestInput(claim);
  const results: RunResult[] = [];
  for (const run of claim.runs) {
    const result = await runHook(execution, claim, run, { signal, endings, inputDigest });
    if ('action' in result) return result;
    results.push(result);
  }
  return { action: 'commit', results };
}

async function settle(execution: Execution, claim: Claim, decision: Decision): Promise<void> {
  const { queue, log } = execution;
  if (decision.action === 'commit') {
    await queue.finish(claim, decision.results);
    await failpoint('write.after-commit');
    for (const { run, status } of decision.results) {
      const { hook, version, id } = run;
      if (status !== 'passed') log('run.failed', { hook, version, run: id, status });
    }
    log('batch.finished', namesOf(claim));
    return;
  }
  const { action, reason, delayMs } = decision;
  log(`batch.${action}`, { ...namesOf(claim), reason });
  switch (action) {
    case 'stop_ingestion':
      return queue.stopIngestion(claim, reason);
    case 'retry_later':
      return queue.postpone(claim, { reason, delayMs, failed: false });
    case 'let_go':
      return queue.postpone(claim, { reason: null, delayMs, failed: false });
  }
}

/**
 * Something outside of the hook went wrong. With the lease gone there is nothing to do: its next holder starts again.
 * Otherwise it is given back, or its lease runs out if the database cannot be told; what fails again and again ends the
 * ingestion.
 */
async function letGo(execution: Execution, claim: Claim, error: unknown, stop: AbortSignal): Promise<void> {
  const { queue, log } = execution;
  const { failures } = claim;
  const code = asOsaError(error)?.code ?? 'internal';
  log('batch.let_go', { ...namesOf(claim), stopping: stop.aborted, code, error });
  if (code === 'lease_lost') return;
  const failed = !stop.aborted && code !== 'unavailable';
  const reason = failed ? `${code} error while the batch was run; the daemon's log says more` : null;
  const delayMs = failed ? backoffMs(failures + 1) : 1_000;
  const tell = () =>
    reason !== null && failures + 1 >= maxFailures
      ? queue.stopIngestion(claim, reason)
      : queue.postpone(claim, { reason, delayMs: stop.aborted ? 0 : delayMs, failed });
  await whileLeased(execution, tell).catch((cause: unknown) => {
    log('batch.lease_runs_out', { ...namesOf(claim), error: cause });
  });
}

/** Repeats `tell` while the database is away, for as long as the lease could last anyway. */
async function whileLeased({ worker }: Execution, tell: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + worker.leaseMs;
  for (;;) {
    try {
      return await tell();
    } catch (error) {
      if (asOsaError(error)?.code !== 'unavailable' || performance.now() > deadline) throw error;
      await wait(retellMs);
    }
  }
}

/** SHA-256, hex, over each record's id, metadata and files as given to the hooks. */
export function digestInput({ records }: Pick<Claim, 'records'>): string {
  const hash = createHash('sha256');
  for (const { sourceId, metadata, files = [] } of records) {
    hash.update(`${JSON.stringify(sourceId)}\n${metadata}\n`);
    if (files.length > 0) hash.update(`${digestText(files)}\n`);
  }
  return hash.digest('hex');
}
