import { asOsaError, OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { normaliseLimits } from '../hook/release.ts';
import type { HookClaim, HookExecution } from './execution.ts';
import { liveLog } from './live-log.ts';
import type { Fact } from './policy.ts';
import type { ClaimedRecord, ClaimedRun } from './queue.ts';
import type { Ended, Runner, Task } from './runner.ts';

/** One start of a run's code. */
export interface Start {
  readonly run: ClaimedRun;
  readonly runner: Runner;
  /** The records that the code is given: all of the claim, or those that an attempt before did not finish. */
  readonly records: readonly ClaimedRecord[];
  readonly memoryBytes: number;
  /** Whether it has more memory than the attempt before it. */
  readonly isRetry: boolean;
  readonly signal: AbortSignal;
  /** Where the end is put, so that its directory is disposed of whatever comes next. */
  readonly endings: Ended[];
}

export interface Attempted {
  readonly n: number;
  readonly startedAt: string;
  readonly fact: Fact;
  readonly reason: string;
  /** Undefined where the code was not started. */
  readonly ended: Ended | undefined;
}

/** Starts the code once, and stores that it is about to start and how it ended. */
export async function attempt(execution: HookExecution, claim: HookClaim, start: Start): Promise<Attempted> {
  const { queue, workspace } = execution;
  const { run, runner, records, memoryBytes } = start;
  const limits = normaliseLimits(run.release.limits);
  const { n, startedAt } = await queue.startAttempt(claim, { run: run.id, memoryBytes, runner: runner.name });
  if (start.isRetry) await failpoint('oom.after-store');
  const task = {
    id: `${run.id}-${claim.fence}-${n}`,
    workspace,
    hook: run.hook,
    release: { ...run.release, limits },
    memoryBytes,
    records: records.map(({ sourceId, metadata, files = [] }) => ({ id: sourceId, metadata, files })),
    linkFile: execution.files?.link,
  };
  const ended = await carryOut(execution, { run: run.id, n }, start, task);
  if (ended instanceof OsaError) {
    await queue.endAttempt({ run: run.id, n }, { ...neverStarted, detail: withAnswer(ended) });
    return { n, startedAt, fact: factOf(ended), reason: ended.message, ended: undefined };
  }
  start.endings.push(ended);
  const { ending, exitCode, exitSignal, resolvedDigest, platformDigest = null, log, logBytes } = ended;
  const { detail = null } = ended;
  const end = { ending, exitCode, exitSignal, resolvedDigest, platformDigest, log, logBytes, detail };
  await queue.endAttempt({ run: run.id, n }, end);
  if (resolvedDigest !== run.release.digest) {
    const reason = `ran ${resolvedDigest} instead of ${run.release.digest}`;
    return { n, startedAt, fact: 'not_started_unavailable', reason, ended: undefined };
  }
  return { n, startedAt, ...describeEnding(ended, limits.timeout_seconds), ended };
}

/** Stores the output of the code until it ends; from then on nothing more is written about a running attempt. */
async function carryOut(
  execution: HookExecution,
  attempt: { readonly run: string; readonly n: number },
  { runner, signal }: Start,
  task: Omit<Task, 'onLog'>,
): Promise<Ended | OsaError> {
  await using live = liveLog(execution, attempt);
  return await runner
    .run({ ...task, onLog: live.append }, signal)
    .catch((error: unknown) => notStarted(error, signal));
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

/** Why the code did not start, with what a registry answered. For readers of the run, and nobody else. */
export function withAnswer({ message, details: { answer } }: OsaError): string {
  return typeof answer === 'string' ? `${message}: ${answer}` : message;
}

const neverStarted = {
  ending: 'not_started',
  exitCode: null,
  exitSignal: null,
  resolvedDigest: null,
  platformDigest: null,
  log: null,
  logBytes: null,
} as const;

/** Why the code did not start. Other errors go on: a fault of ours, or an order to stop. */
function notStarted(error: unknown, signal: AbortSignal): OsaError {
  const known = asOsaError(error);
  if (!known || signal.aborted) throw error;
  return known;
}

/** The ending as a fact and in words. */
export function describeEnding(
  ended: Pick<Ended, 'ending' | 'exitCode' | 'exitSignal'>,
  timeoutSeconds: number,
): { fact: Fact; reason: string } {
  const { ending, exitCode, exitSignal } = ended;
  if (ending === 'exited' && exitCode !== 0) {
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
  return { fact: ending, reason: reasons[ending] };
}
