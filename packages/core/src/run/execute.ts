import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { normaliseLimits } from '../hook/release.ts';
import { holdLease } from './lease.ts';
import { readOutput } from './output.ts';
import type { OutputThreads } from './output-threads.ts';
import { type Action, backoffMs, type Fact, maxFailures, policy } from './policy.ts';
import type { BatchQueue, Claim, ClaimedRun, RunResult } from './queue.ts';
import type { Ending, Runner } from './runner.ts';
import type { HookSlots } from './slots.ts';

export interface Execution {
  readonly queue: BatchQueue;
  readonly runners: readonly Runner[];
  readonly worker: { readonly name: string; readonly leaseMs: number };
  readonly slots: HookSlots;
  /** The batches that are run here, each with what makes sure of its lease at once. */
  readonly held: Map<string, () => void>;
  /** The threads that read output; without them each reading starts one of its own. */
  readonly threads?: OutputThreads;
  /** The directory below which attempts have theirs. */
  readonly workspace: string;
  /** What the machine gives one attempt at most. */
  readonly maxMemoryBytes: number;
  /** Called with what a person may want to know; never with a record's content. */
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void;
}

/** Milliseconds between tries to tell a database that is away. */
const retellMs = 500;

/**
 * Takes one batch through its life: claim → snapshot → run each hook → check the output → commit.
 * The answer says whether there was one. Aborting `stop` kills the code that runs and gives the batch back.
 */
export async function executeNext(execution: Execution, stop: AbortSignal): Promise<boolean> {
  const runtimes = execution.runners.flatMap((runner) => runner.runtimes);
  const { queue, slots, worker } = execution;
  const claim = await slots.claim((fullHooks) => queue.claim({ ...worker, runtimes, fullHooks }));
  if (!claim) return false;
  execution.log('batch.claimed', { batch: claim.batch, fence: claim.fence, records: claim.records.length });
  await using lease = holdLease(execution, claim, stop);
  const endings: Ending[] = [];
  try {
    const decision = await runHooks(execution, claim, lease.signal, endings);
    await lease.stopRenewing();
    await settle(execution, claim, decision);
    await failpoint('ack.after');
  } catch (error) {
    await letGo(execution, claim, error, stop);
  } finally {
    for (const ending of endings) {
      await ending.dispose();
      await failpoint('cleanup.mid');
    }
    slots.free(claim);
  }
  return true;
}

/** What the hooks of a batch came to: results to commit, or one action that ends this claim. */
type Decision =
  | { readonly action: 'commit'; readonly results: readonly RunResult[] }
  | { readonly action: Exclude<Action, 'done' | 'give_up'>; readonly reason: string };

async function runHooks(
  execution: Execution,
  claim: Claim,
  signal: AbortSignal,
  endings: Ending[],
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

function runnerFor({ runners }: Execution, { release }: ClaimedRun): Runner | undefined {
  return runners.find((runner) => runner.runtimes.includes(release.runtime));
}

async function runHook(
  execution: Execution,
  claim: Claim,
  run: ClaimedRun,
  context: { signal: AbortSignal; endings: Ending[]; inputDigest: string },
): Promise<RunResult | Exclude<Decision, { action: 'commit' }>> {
  const { inputDigest, signal } = context;
  const empty = { run, attempt: null, startedAt: null, inputDigest, output: null };
  if (claim.records.length === 0) return { ...empty, status: 'passed', reason: null };
  const runner = runnerFor(execution, run);
  if (!runner) throw new OsaError('internal', `hook ${run.hook}: its runner is gone`);
  const { n, startedAt, fact, reason, ending } = await attempt(execution, claim, run, { runner, ...context });
  const base = { run, attempt: ending ? n : null, startedAt, inputDigest };
  const action = policy[fact];
  if (action === 'done') {
    if (!ending) throw new OsaError('internal', `hook ${run.hook}: it answered without an end`);
    return judge(execution, { ...base, attempt: n }, claim, ending, signal);
  }
  const exhausted = action === 'retry_later' && claim.failures + 1 >= maxFailures;
  if (action === 'give_up' || exhausted) {
    return { ...base, status: ending ? 'failed' : 'error', reason, output: null };
  }
  return { action, reason: `hook ${run.hook}: ${reason}` };
}

interface Attempted {
  readonly n: number;
  readonly startedAt: string;
  readonly fact: Fact;
  readonly reason: string;
  /** Undefined where the code was not started. */
  readonly ending: Ending | undefined;
}

/** Starts the code once, and stores that it is about to start and how it ended. */
async function attempt(
  { queue, workspace }: Execution,
  claim: Claim,
  run: ClaimedRun,
  { runner, signal, endings }: { runner: Runner; signal: AbortSignal; endings: Ending[] },
): Promise<Attempted> {
  const limits = normaliseLimits(run.release.limits);
  const memoryBytes = limits.memory_bytes;
  const start = { run: run.id, memoryBytes, runner: runner.name };
  const { n, startedAt } = await queue.startAttempt(claim, start);
  const task = {
    id: `${run.id}-${claim.fence}-${n}`,
    workspace,
    hook: run.hook,
    release: { ...run.release, limits },
    memoryBytes,
    records: claim.records.map(({ sourceId, metadata }) => ({ id: sourceId, metadata })),
  };
  const ended = await runner.run(task, signal).catch((error: unknown) => notStarted(error, signal));
  if (ended instanceof OsaError) {
    await queue.endAttempt({ run: run.id, n }, { ...neverStarted, detail: ended.message });
    return { n, startedAt, fact: factOf(ended), reason: ended.message, ending: undefined };
  }
  // From here on the directory is disposed of, whatever comes next.
  endings.push(ended);
  const { outcome, exitCode, exitSignal, resolvedDigest, log } = ended;
  const end = { outcome, exitCode, exitSignal, resolvedDigest, log, detail: null };
  await queue.endAttempt({ run: run.id, n }, end);
  if (resolvedDigest !== run.release.digest) {
    const reason = `ran ${resolvedDigest} instead of ${run.release.digest}`;
    return { n, startedAt, fact: 'not_started_unavailable', reason, ending: undefined };
  }
  return { n, startedAt, ...describeEnding(ended, limits.timeout_seconds), ending: ended };
}

/** Why the code did not start, as a fact. */
function factOf({ code }: OsaError): Fact {
  switch (code) {
    case 'not_found':
      return 'digest_not_found';
    case 'access_denied':
      return 'pull_denied';
    case 'invalid':
      return 'not_started_never';
    default:
      return 'not_started_unavailable';
  }
}

const neverStarted = {
  outcome: 'not_started',
  exitCode: null,
  exitSignal: null,
  resolvedDigest: null,
  log: null,
} as const;

/** Why the code did not start. What is not about that goes on: a fault of ours, or that we are to stop. */
function notStarted(error: unknown, signal: AbortSignal): OsaError {
  const known = asOsaError(error);
  if (!known || signal.aborted) throw error;
  return known;
}

function describeEnding(ending: Ending, timeoutSeconds: number): { fact: Fact; reason: string } {
  const { outcome, exitCode, exitSignal } = ending;
  if (outcome === 'exited' && exitCode !== 0) {
    const how = exitSignal ? `was ended by ${exitSignal}` : `exited with code ${exitCode}`;
    return { fact: 'exited_nonzero', reason: `the hook ${how}` };
  }
  const reasons = {
    exited: 'the hook answered',
    timeout: `the hook did not end within ${timeoutSeconds} s`,
    out_of_memory: 'the hook ran out of memory',
    output_too_large: 'the hook wrote too much output',
    cancelled: 'the hook was stopped',
  };
  return { fact: outcome, reason: reasons[outcome] };
}

async function judge(
  { threads }: Execution,
  base: Pick<RunResult, 'run' | 'attempt' | 'startedAt' | 'inputDigest'>,
  claim: Claim,
  ending: Ending,
  signal: AbortSignal,
): Promise<RunResult> {
  const output = await readOutput({
    directory: ending.outputDirectory,
    hook: base.run.hook,
    contract: base.run.feature,
    recordIds: claim.records.map((record) => record.sourceId),
    signal,
    ...(threads ? { threads } : {}),
  });
  const { failure } = output.judgement;
  return { ...base, status: failure ? 'failed' : 'passed', reason: failure, output };
}

async function settle(execution: Execution, claim: Claim, decision: Decision): Promise<void> {
  const { queue, log } = execution;
  const { batch } = claim;
  if (decision.action === 'commit') {
    await queue.finish(claim, decision.results);
    await failpoint('write.after-commit');
    log('batch.finished', { batch, fence: claim.fence });
    return;
  }
  const { action, reason } = decision;
  log(`batch.${action}`, { batch, fence: claim.fence, reason });
  switch (action) {
    case 'stop_ingestion':
      return queue.stopIngestion(claim, reason);
    case 'retry_later':
      return queue.postpone(claim, { reason, delayMs: backoffMs(claim.failures + 1), failed: true });
    case 'let_go':
      return queue.postpone(claim, { reason: null, delayMs: 0, failed: false });
  }
}

/**
 * Something outside of the hook went wrong. With the lease gone there is nothing to do: whoever holds the batch
 * starts again. Otherwise it is given back, or its lease runs out if the database cannot be told; what fails again
 * and again ends the ingestion.
 */
async function letGo(execution: Execution, claim: Claim, error: unknown, stop: AbortSignal): Promise<void> {
  const { queue, log } = execution;
  const { batch, fence, failures } = claim;
  const code = asOsaError(error)?.code ?? 'internal';
  log('batch.let_go', { batch, fence, stopping: stop.aborted, code, error });
  if (code === 'lease_lost') return;
  const failed = !stop.aborted && code !== 'unavailable';
  const reason = failed ? `${code} error while the batch was run; the daemon's log says more` : null;
  const delayMs = failed ? backoffMs(failures + 1) : 1_000;
  const tell = () =>
    reason !== null && failures + 1 >= maxFailures
      ? queue.stopIngestion(claim, reason)
      : queue.postpone(claim, { reason, delayMs: stop.aborted ? 0 : delayMs, failed });
  await whileLeased(execution, tell).catch((cause: unknown) => {
    log('batch.lease_runs_out', { batch, fence, error: cause });
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

/** SHA-256, hex, over each record's id and metadata as given to the hooks. */
function digestInput(claim: Claim): string {
  const hash = createHash('sha256');
  for (const { sourceId, metadata } of claim.records)
    hash.update(`${JSON.stringify(sourceId)}\n${metadata}\n`);
  return hash.digest('hex');
}
