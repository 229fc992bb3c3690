import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { normaliseLimits } from '../hook/release.ts';
import { bounds } from '../limits.ts';
import { cut } from '../text.ts';
import { type Attempted, attempt } from './attempt.ts';
import type { HookClaim, HookExecution } from './execution.ts';
import { type Answers, mergeAnswers, type Unanswered } from './merge.ts';
import { describeStrays } from './output/judge.ts';
import type { OutputReader } from './output/judgement.ts';
import { readOutput } from './output/read.ts';
import { endOfDivision, moreMemory } from './policy.ts';
import type { ClaimedRecord, ClaimedRun, RunResult } from './queue.ts';
import type { Ended, Runner } from './runner.ts';

export interface HookContext {
  readonly signal: AbortSignal;
  /** The ends of all attempts of the claim, which are disposed of when it is settled. */
  readonly endings: Ended[];
  readonly inputDigest: string;
}

type Part = readonly ClaimedRecord[];

/**
 * The attempts of one run within one claim, and what they have answered so far. The records are one part at first; when
 * the code dies, or has timed out too often, it is divided, and each part is run by attempts of its own.
 */
export class Attempts {
  private readonly execution: HookExecution;
  private readonly claim: HookClaim;
  private readonly run: ClaimedRun;
  private readonly context: HookContext;
  private readonly runner: Runner;
  private readonly startedAtMs = performance.now();
  private readonly kept: Answers[] = [];
  private readonly unanswered = new Map<string, Unanswered>();
  /** The part that is run, and the parts that come after it, the next one last. */
  private part: Part;
  private readonly waiting: Part[] = [];
  private memoryBytes: number;
  private hasMoreMemory = false;
  private memoryRetries = 0;
  private starts = 0;
  private first: Attempted | undefined;
  private last: Attempted | undefined;

  constructor(execution: HookExecution, claim: HookClaim, run: ClaimedRun, context: HookContext) {
    const runner = execution.runners.find(({ runtimes }) => runtimes.includes(run.release.runtime));
    if (!runner) throw new OsaError('internal', `hook ${run.hook}: its runner is gone`);
    this.execution = execution;
    this.claim = claim;
    this.run = run;
    this.context = context;
    this.runner = runner;
    this.part = claim.records;
    this.memoryBytes = Math.min(normaliseLimits(run.release.limits).memory_bytes, execution.maxMemoryBytes);
  }

  async next(): Promise<Attempted> {
    const { execution, claim, run, runner, part: records, memoryBytes, context } = this;
    const { signal, endings } = context;
    const isRetry = this.hasMoreMemory;
    this.hasMoreMemory = false;
    this.starts += 1;
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

  /** Goes on to the next part; false when there is none. */
  nextPart(): boolean {
    const next = this.waiting.pop();
    if (next === undefined) return false;
    this.part = next;
    return true;
  }

  /** Keeps the output of an attempt that ended well: a record that it did not answer for is errored. */
  async keep(tried: Attempted): Promise<void> {
    const output = await this.judge(tried);
    const { failure } = output.judgement;
    this.kept.push({ attempt: tried.n, output, isFinal: failure === null });
    if (failure !== null) this.giveUp({ ...tried, reason: failure });
  }

  /** Keeps the whole answers of an attempt that ran out of memory; broken and missing answers stay open. */
  async keepFinished(tried: Attempted): Promise<void> {
    const output = await this.judge(tried);
    const open = new Set(output.judgement.open);
    if (open.size < this.part.length) this.kept.push({ attempt: tried.n, output, isFinal: false });
    this.part = this.part.filter(({ sourceId }) => open.has(sourceId));
    await failpoint('oom.partial-kept');
  }

  isPartAnswered(): boolean {
    return this.part.length === 0;
  }

  /** False when there is no more memory to give. */
  raiseMemory(): boolean {
    const { memoryBytes, memoryRetries: retries, execution } = this;
    const next = moreMemory(memoryBytes, { retries, mostBytes: execution.maxMemoryBytes });
    if (next === undefined) return false;
    this.memoryBytes = next;
    this.memoryRetries += 1;
    this.hasMoreMemory = true;
    return true;
  }

  describeMemory(): string {
    const mebibytes = Math.round(this.memoryBytes / 2 ** 20);
    const retried = this.memoryRetries === 1 ? '1 retry' : `${this.memoryRetries} retries`;
    return `the hook ran out of memory after ${retried} (last limit ${mebibytes} MiB)`;
  }

  /**
   * Divides the part whose code died or did not end into two. A part of one record has found it: the record is errored
   * with the end of the code. Where `division` ends the search, all that is open is errored.
   */
  async divide(tried: Attempted): Promise<void> {
    await this.discard(tried);
    const { part, waiting } = this;
    if (part.length === 1) {
      const isOnly = this.claim.records.length === 1;
      this.giveUp({ ...tried, reason: isOnly ? tried.reason : `${tried.reason}, given one record alone` });
      if (waiting.length === 0) return;
    }
    const end = endOfDivision({
      records: this.claim.records.length,
      starts: this.starts,
      hasAnswers: this.hasAnswers(),
      elapsedMs: performance.now() - this.startedAtMs,
      timeLimitMs: normaliseLimits(this.run.release.limits).timeout_seconds * 1_000,
    });
    if (end !== undefined) return this.giveUpAll({ ...tried, reason: `${tried.reason}; ${end}` });
    if (part.length === 1) return;
    const half = Math.ceil(part.length / 2);
    // A timeout costs its whole limit, so parts that may still end well come first, while there is time for them.
    if (tried.fact === 'timeout') waiting.unshift(part.slice(half), part.slice(0, half));
    else waiting.push(part.slice(half), part.slice(0, half));
    const { log } = this.execution;
    log('hook.divided', {
      run: this.run.id,
      hook: this.run.hook,
      records: part.length,
      reason: tried.reason,
    });
    await failpoint('divide.after');
  }

  /** The records of the part are errored with the reason, except those that have one already. */
  giveUp({ n, reason }: Pick<Attempted, 'n' | 'reason'>): void {
    const unanswered = { attempt: n, reason: cut(reason, bounds.reasonLength) };
    for (const { sourceId } of this.part) {
      if (!this.unanswered.has(sourceId)) this.unanswered.set(sourceId, unanswered);
    }
  }

  /** Gives up, as `giveUp` does, also the parts that have not been run. */
  giveUpAll(tried: Pick<Attempted, 'n' | 'reason'>): void {
    do this.giveUp(tried);
    while (this.nextPart());
  }

  /**
   * A run has passed when the code ended well over at least one part. With no such part, it is `status`, for the reason
   * of its last attempt.
   */
  result(status: 'failed' | 'error'): RunResult {
    const { run, first, last, kept, unanswered, context } = this;
    const hasPassed = unanswered.size === 0 || this.hasAnswers();
    return {
      run,
      status: hasPassed ? 'passed' : status,
      reason: hasPassed ? this.describePassed() : this.lastReason(),
      attempt: last?.ended ? last.n : null,
      startedAt: first?.startedAt ?? null,
      inputDigest: context.inputDigest,
      ...mergeAnswers(kept, unanswered),
    };
  }

  private lastReason(): string | null {
    return [...this.unanswered.values()].at(-1)?.reason ?? null;
  }

  private describePassed(): string | null {
    const { size } = this.unanswered;
    if (size === 0) {
      const judgements = this.kept.filter(({ isFinal }) => isFinal).map(({ output }) => output.judgement);
      return describeStrays({
        strayLines: judgements.reduce((sum, { strayLines }) => sum + strayLines, 0),
        strayExamples: judgements.flatMap(({ strayExamples }) => strayExamples),
      });
    }
    return `${size} of ${this.claim.records.length} records have no answer: ${this.lastReason()}`;
  }

  private hasAnswers(): boolean {
    return this.kept.some(({ isFinal }) => isFinal);
  }

  /** The output does not count, so its directory need not wait for the end of the claim. */
  private async discard({ ended }: Attempted): Promise<void> {
    const { endings } = this.context;
    if (ended === undefined) return;
    endings.splice(endings.indexOf(ended), 1);
    await ended.dispose();
  }

  private async judge({ ended }: Attempted): Promise<OutputReader> {
    const { execution, run, part, context } = this;
    if (!ended) throw new OsaError('internal', `hook ${run.hook}: it answered without an end`);
    return readOutput({
      directory: ended.outputDirectory,
      hook: run.hook,
      contract: run.feature,
      recordIds: part.map((record) => record.sourceId),
      signal: context.signal,
      threads: execution.threads,
    });
  }
}
