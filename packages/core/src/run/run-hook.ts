import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { normaliseLimits } from '../hook/release.ts';
import { type Attempted, attempt } from './attempt.ts';
import type { Execution } from './execute.ts';
import { type Answers, mergeAnswers } from './merge.ts';
import { describeStrays } from './output/judge.ts';
import { type OutputReader, readOutput } from './output/read.ts';
import { type Action, backoffMs, type Fact, moreMemory, mostTries, policy } from './policy.ts';
import type { Claim, ClaimedRecord, ClaimedRun, RunResult } from './queue.ts';
import type { Ending, Runner } from './runner.ts';

export interface HookContext {
  readonly signal: AbortSignal;
  /** The ends of all attempts of the claim, which are disposed of when it is settled. */
  readonly endings: Ending[];
  readonly inputDigest: string;
}

/** One action that ends the claim without results. */
export interface StoppedClaim {
  readonly action: Exclude<Action, 'done' | 'give_up' | 'more_memory'>;
  readonly reason: string;
  /** Until the batch may be claimed again. */
  readonly delayMs: number;
}

/**
 * Runs one hook over the records of a claim. An attempt that runs out of memory is followed by one with more, over
 * the records that it did not finish; what it did finish is kept, within this claim.
 */
export async function runHook(
  execution: Execution,
  claim: Claim,
  run: ClaimedRun,
  context: HookContext,
): Promise<RunResult | StoppedClaim> {
  if (claim.records.length === 0) return withoutRecords(run, context);
  const started = new Attempts(execution, claim, run, context);
  for (;;) {
    const tried = await started.next();
    const action = policy[tried.fact];
    if (action === 'done') return started.passed(tried);
    if (action === 'more_memory') {
      await failpoint('oom.detected');
      await started.keepFinished(tried);
      if (started.allAnswered()) return started.result('passed', null);
      if (started.raiseMemory()) continue;
      return started.result('failed', started.describeMemory());
    }
    const tries = 1 + triesBefore(run, tried.fact);
    if (action === 'give_up' || tries >= (mostTries[tried.fact] ?? Infinity)) {
      return started.result(tried.ending ? 'failed' : 'error', tried.reason);
    }
    const delayMs = action === 'retry_later' ? backoffMs(tries) : 0;
    return { action, reason: `hook ${run.hook}: ${tried.reason}`, delayMs };
  }
}

/** Of this very hook: another one of the batch costs it nothing. */
function triesBefore({ timeouts, notStarted }: ClaimedRun, fact: Fact): number {
  return fact === 'timeout' ? timeouts : fact === 'not_started_unavailable' ? notStarted : 0;
}

function withoutRecords(run: ClaimedRun, { inputDigest }: HookContext): RunResult {
  const none = { attempt: null, startedAt: null, output: null, answeredBy: new Map() };
  return { run, status: 'passed', reason: null, inputDigest, ...none };
}

/** The attempts of one run within one claim, and what they have answered so far. */
class Attempts {
  private readonly execution: Execution;
  private readonly claim: Claim;
  private readonly run: ClaimedRun;
  private readonly context: HookContext;
  private readonly runner: Runner;
  private readonly kept: Answers[] = [];
  private open: readonly ClaimedRecord[];
  private memoryBytes: number;
  private retries = 0;
  private first: Attempted | undefined;
  private last: Attempted | undefined;

  constructor(execution: Execution, claim: Claim, run: ClaimedRun, context: HookContext) {
    const runner = execution.runners.find(({ runtimes }) => runtimes.includes(run.release.runtime));
    if (!runner) throw new OsaError('internal', `hook ${run.hook}: its runner is gone`);
    this.execution = execution;
    this.claim = claim;
    this.run = run;
    this.context = context;
    this.runner = runner;
    this.open = claim.records;
    this.memoryBytes = Math.min(normaliseLimits(run.release.limits).memory_bytes, execution.maxMemoryBytes);
  }

  async next(): Promise<Attempted> {
    const { execution, claim, run, runner, open: records, memoryBytes, context } = this;
    const { signal, endings } = context;
    const isRetry = this.retries > 0;
    this.last = await attempt(execution, claim, {
      run,
      runner,
      records,
      memoryBytes,
      isRetry,
      signal,
      endings,
    });
    this.first ??= this.last;
    return this.last;
  }

  /** The result of an attempt that ended well: whoever it did not answer for is errored. */
  async passed(tried: Attempted): Promise<RunResult> {
    const output = await this.judge(tried);
    const { failure } = output.judgement;
    this.kept.push({ attempt: tried.n, output, isFinal: failure === null });
    if (failure !== null) return this.result('failed', failure);
    return this.result('passed', describeStrays(output.judgement));
  }

  /** Keeps what an attempt answered whole before it ran out of memory; broken and missing answers stay open. */
  async keepFinished(tried: Attempted): Promise<void> {
    const output = await this.judge(tried);
    const unanswered = new Set(output.judgement.open);
    if (unanswered.size < this.open.length) this.kept.push({ attempt: tried.n, output, isFinal: false });
    this.open = this.open.filter(({ sourceId }) => unanswered.has(sourceId));
    await failpoint('oom.partial-kept');
  }

  allAnswered(): boolean {
    return this.open.length === 0;
  }

  /** False when there is no more memory to give. */
  raiseMemory(): boolean {
    const { memoryBytes, retries, execution } = this;
    const next = moreMemory(memoryBytes, { retries, mostBytes: execution.maxMemoryBytes });
    if (next === undefined) return false;
    this.memoryBytes = next;
    this.retries += 1;
    return true;
  }

  describeMemory(): string {
    const mebibytes = Math.round(this.memoryBytes / 2 ** 20);
    const retried = this.retries === 1 ? '1 retry' : `${this.retries} retries`;
    return `the hook ran out of memory after ${retried} (last limit ${mebibytes} MiB)`;
  }

  result(status: RunResult['status'], reason: string | null): RunResult {
    const { run, first, last, kept, context } = this;
    const merged = mergeAnswers(kept);
    return {
      run,
      status,
      reason,
      attempt: last?.ending ? last.n : null,
      startedAt: first?.startedAt ?? null,
      inputDigest: context.inputDigest,
      ...merged,
    };
  }

  private async judge({ ending }: Attempted): Promise<OutputReader> {
    const { execution, run, open, context } = this;
    if (!ending) throw new OsaError('internal', `hook ${run.hook}: it answered without an end`);
    return readOutput({
      directory: ending.outputDirectory,
      hook: run.hook,
      contract: run.feature,
      recordIds: open.map((record) => record.sourceId),
      signal: context.signal,
      threads: execution.threads,
    });
  }
}
