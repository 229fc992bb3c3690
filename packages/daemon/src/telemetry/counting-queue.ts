import type { BatchQueue, Claim, RunResult } from '@osa/core/run/queue';
import { Counter, Histogram, type Registry } from 'prom-client';
import { boundedPairs } from './bounded.ts';

const seconds = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600];

/** Wraps the queue of a worker: each claim, attempt, commit and lost lease is counted and timed as it passes. */
export function countingQueue(registry: Registry): (queue: BatchQueue) => BatchQueue {
  const meters = metersOf(registry);
  const releases = boundedPairs();
  return (queue) => {
    const open = openRuns();
    return {
      ...queue,
      async claim(worker) {
        const end = meters.claim.startTimer();
        const claim = await queue.claim(worker);
        // A count of what is not published would show that somebody deposits something.
        if (claim && claim.deposition === null) {
          end();
          open.add(claim);
        }
        return claim;
      },
      async renew(lease, leaseMs) {
        const isHeld = await queue.renew(lease, leaseMs);
        if (!isHeld) meters.lost.inc();
        return isHeld;
      },
      async startAttempt(lease, attempt) {
        const started = await queue.startAttempt(lease, attempt);
        const run = open.get(attempt.run);
        if (run?.memoryBytes !== undefined && attempt.memoryBytes > run.memoryBytes) {
          meters.memoryRetries.inc({ hook: run.hook });
        }
        if (run) Object.assign(run, { memoryBytes: attempt.memoryBytes, startedAt: performance.now() });
        return started;
      },
      async endAttempt(attempt, end) {
        await queue.endAttempt(attempt, end);
        const run = open.get(attempt.run);
        if (!run) return;
        const [hook, version] = releases(run.hook, String(run.version));
        meters.attempts.inc({ hook, version, ending: end.ending });
        meters.attemptSeconds.observe({ hook }, (performance.now() - run.startedAt) / 1_000);
      },
      async finish(claim, results) {
        const end = meters.commit.startTimer();
        await queue.finish(claim, results);
        if (claim.deposition !== null) return;
        end();
        open.remove(claim);
        for (const result of results) countRun(result, claim);
      },
      postpone: (lease, later) => queue.postpone(lease, later).finally(() => open.removeBatch(lease.batch)),
      stopIngestion: (claim, reason) => queue.stopIngestion(claim, reason).finally(() => open.remove(claim)),
    };
  };

  function countRun({ run, status, output }: RunResult, claim: Claim): void {
    const [hook, version] = releases(run.hook, String(run.version));
    meters.runs.inc({ hook, version, status });
    meters.rows.inc({ hook }, output?.judgement.rowCount ?? 0);
    const verdicts = output?.judgement.verdicts;
    const answered = [...(verdicts?.values() ?? [])];
    for (const outcome of ['passed', 'rejected', 'errored'] as const) {
      const count = answered.filter((verdict) => verdict.status === outcome).length;
      meters.records.inc(
        { hook, outcome },
        outcome === 'errored' && !verdicts ? claim.records.length : count,
      );
    }
  }
}

function metersOf(registry: Registry) {
  const registers = [registry];
  const timed = (name: string, help: string) => new Histogram({ name, help, buckets: seconds, registers });
  return {
    claim: timed('osa_claim_seconds', 'Duration of claims that found a batch'),
    commit: timed('osa_commit_seconds', 'Duration of the final transactions of batches'),
    attemptSeconds: new Histogram({
      ...{ name: 'osa_attempt_seconds', help: 'Duration of attempts, by hook', buckets: seconds, registers },
      labelNames: ['hook'] as const,
    }),
    attempts: new Counter({
      ...{ name: 'osa_attempts_total', help: 'Attempts that ended, by hook, release and ending', registers },
      labelNames: ['hook', 'version', 'ending'] as const,
    }),
    runs: new Counter({
      ...{ name: 'osa_hook_runs_total', help: 'Ended runs of hooks, by release and status', registers },
      labelNames: ['hook', 'version', 'status'] as const,
    }),
    rows: new Counter({
      ...{ name: 'osa_rows_total', help: 'Stored rows, by hook', registers },
      labelNames: ['hook'] as const,
    }),
    records: new Counter({
      ...{ name: 'osa_outcomes_total', help: 'What runs made of records, by hook and outcome', registers },
      labelNames: ['hook', 'outcome'] as const,
    }),
    memoryRetries: new Counter({
      ...{ name: 'osa_memory_retries_total', help: 'Attempts that were started with more memory', registers },
      labelNames: ['hook'] as const,
    }),
    lost: new Counter({ name: 'osa_leases_lost_total', help: 'Leases of batches that were lost', registers }),
  };
}

interface OpenRun {
  readonly batch: string;
  readonly hook: string;
  readonly version: number;
  memoryBytes: number | undefined;
  startedAt: number;
}

/** More than any worker holds; what is left over by lost leases does not add up. */
const mostOpen = 50_000;

/** The runs of the batches that are held here, since attempts name only their run. */
function openRuns() {
  const runs = new Map<string, OpenRun>();
  const removeBatch = (batch: string) => {
    for (const [id, run] of runs) if (run.batch === batch) runs.delete(id);
  };
  return {
    get: (id: string) => runs.get(id),
    add({ batch, runs: claimed }: Claim) {
      if (runs.size > mostOpen) runs.clear();
      for (const { id, hook, version } of claimed) {
        runs.set(id, { batch, hook, version, memoryBytes: undefined, startedAt: performance.now() });
      }
    },
    remove: ({ batch }: Pick<Claim, 'batch'>) => removeBatch(batch),
    removeBatch,
  };
}
