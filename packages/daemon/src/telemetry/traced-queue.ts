import { randomBytes } from 'node:crypto';
import { parseTraceparent } from '@osa/core/request-context';
import type { AttemptEnd, BatchQueue, Claim } from '@osa/core/run/queue';
import type { Span } from '@osa/core/telemetry/span';

export interface TracingQueueParts {
  readonly add: (span: Span) => void;
  /** The span of the request that the batches of an ingestion or a recompute came from. */
  readonly originOf: (claim: Pick<Claim, 'ingestion' | 'recompute'>) => Promise<string | null>;
}

/** More than any worker holds; what is left over by lost leases does not add up. */
const mostOpen = 10_000;

/**
 * Wraps the queue of a worker. A claim of a batch is a span in the trace of the request that brought the records, and
 * an attempt of a hook is a span of its claim.
 */
export function tracingQueue(queue: BatchQueue, { add, originOf }: TracingQueueParts): BatchQueue {
  const claims = new Map<string, OpenClaim>();
  const attempts = new Map<string, OpenAttempt>();
  const end = ({ batch }: Pick<Claim, 'batch'>, ending: string, error?: unknown) => {
    const open = claims.get(batch);
    if (!open) return;
    claims.delete(batch);
    add(batchSpan(open, ending, error));
  };
  const ended = async <T>(claim: Pick<Claim, 'batch'>, ending: string, work: Promise<T>): Promise<T> => {
    try {
      const result = await work;
      end(claim, ending);
      return result;
    } catch (error) {
      end(claim, ending, error);
      throw error;
    }
  };
  return {
    ...queue,
    async claim(worker) {
      const startMs = Date.now();
      const claim = await queue.claim(worker);
      if (!claim) return undefined;
      if (claims.size > mostOpen) claims.clear();
      if (attempts.size > mostOpen) attempts.clear();
      const origin = parseTraceparent(await originOf(claim).catch(() => null));
      const traceId = origin?.traceId ?? randomBytes(16).toString('hex');
      const spanId = randomBytes(8).toString('hex');
      claims.set(claim.batch, { claim, traceId, spanId, parentId: origin?.spanId, startMs });
      return claim;
    },
    async startAttempt(lease, attempt) {
      const started = await queue.startAttempt(lease, attempt);
      const open = claims.get(lease.batch);
      if (open) {
        const { memoryBytes, runner } = attempt;
        attempts.set(keyOf(attempt.run, started.n), { open, memoryBytes, runner, startMs: Date.now() });
      }
      return started;
    },
    async endAttempt(attempt, ending) {
      await queue.endAttempt(attempt, ending);
      const key = keyOf(attempt.run, attempt.n);
      const started = attempts.get(key);
      if (!started) return;
      attempts.delete(key);
      add(attemptSpan(started, attempt, ending));
    },
    finish: (claim, results) => ended(claim, 'finished', queue.finish(claim, results)),
    postpone: (lease, later) =>
      ended(lease, later.failed ? 'failed' : 'postponed', queue.postpone(lease, later)),
    stopIngestion: (claim, reason) => ended(claim, 'stopped', queue.stopIngestion(claim, reason)),
  };
}

interface OpenClaim {
  readonly claim: Claim;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly startMs: number;
}

interface OpenAttempt {
  readonly open: OpenClaim;
  readonly memoryBytes: number;
  readonly runner: string;
  readonly startMs: number;
}

function keyOf(run: string, n: number): string {
  return `${run}/${n}`;
}

function batchSpan({ claim, startMs, ...ids }: OpenClaim, ending: string, error: unknown): Span {
  const { batch, fence, ingestion, recompute, convention, records, runs } = claim;
  return {
    ...{ traceId: ids.traceId, spanId: ids.spanId, parentId: ids.parentId },
    ...{ name: `batch ${convention}`, kind: 'consumer', startMs, endMs: Date.now() },
    attributes: {
      'osa.batch': batch,
      'osa.fence': fence,
      'osa.convention': convention,
      'osa.ingestion': ingestion,
      'osa.recompute': recompute,
      'osa.records': records.length,
      'osa.runs': runs.length,
      'osa.end': ending,
    },
    error: error === undefined ? undefined : 'the end of the batch could not be stored',
  };
}

function attemptSpan(
  { open, memoryBytes, runner, startMs }: OpenAttempt,
  { run, n }: { readonly run: string; readonly n: number },
  { ending, exitCode, exitSignal, resolvedDigest }: AttemptEnd,
): Span {
  const { hook, version } = open.claim.runs.find(({ id }) => id === run) ?? {};
  const isWell = ending === 'exited' && exitCode === 0;
  return {
    ...{ traceId: open.traceId, spanId: randomBytes(8).toString('hex'), parentId: open.spanId },
    ...{ name: `attempt ${hook}`, kind: 'internal', startMs, endMs: Date.now() },
    attributes: {
      'osa.run': run,
      'osa.attempt': n,
      'osa.hook': hook,
      'osa.version': version,
      'osa.digest': resolvedDigest,
      'osa.runner': runner,
      'osa.memory_bytes': memoryBytes,
      'osa.ending': ending,
      'osa.exit_code': exitCode,
      'osa.exit_signal': exitSignal,
    },
    error: isWell ? undefined : ending,
  };
}
