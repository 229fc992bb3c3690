import { setTimeout as delay } from 'node:timers/promises';
import type { FailingBatch } from '@osa/core/postgres/queue/set-aside';
import type { BatchQueue } from '@osa/core/run/queue';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { countingQueue } from './counting-queue.ts';
import { type StateParts, stateGauges } from './state.ts';

/** The metrics of `/metrics`. Each daemon has its own registry. */
export interface Metrics {
  observeRequest(request: {
    readonly route: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  /** Counts a request whose token is missing or not accepted. */
  countRefused(reason: string): void;
  /** Counts a claim of a batch by how it ended. */
  countBatch(end: string): void;
  /** Counts a claim that failed before the batch was held. */
  countClaimFailure(convention: string): void;
  /** Times a pull of an image. */
  observePull(ok: boolean, seconds: number): void;
  /** Wraps the queue to count and time what passes: claims, attempts, commits, runs and rows. */
  counted(queue: BatchQueue): BatchQueue;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly registry: Registry;
  readonly contentType: string;
}

/** How long a scrape waits for the database. Without an answer it says nothing of batches. */
const lookMs = 1_000;

export interface MetricsParts extends StateParts {
  /** Finds the batches that cannot be claimed at the moment, by any worker. */
  failing(): Promise<readonly FailingBatch[]>;
}

export function createMetrics({ failing, ...state }: MetricsParts): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Event loop lag, memory, processor time and garbage collection.
  collectDefaultMetrics({ register: registry });
  stateGauges(registry, state);
  const requests = new Histogram({
    name: 'osa_http_request_seconds',
    help: 'Duration of requests, by route and status',
    labelNames: ['route', 'status'] as const,
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  });
  const batches = new Counter({
    name: 'osa_batches_total',
    help: 'Claims of batches by this worker, by how they ended: finished, let_go, retry_later, stop_ingestion',
    labelNames: ['end'] as const,
    registers,
  });
  const claimFailures = new Counter({
    name: 'osa_claim_failures_total',
    help: 'Claims by this worker that failed, by convention',
    labelNames: ['convention'] as const,
    registers,
  });
  const pulls = new Histogram({
    name: 'osa_image_pull_seconds',
    help: 'Duration of pulls of images, by result: ok or failed',
    labelNames: ['result'] as const,
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1_800],
    registers,
  });
  new Gauge({
    name: 'osa_batch_claim_failures',
    help: 'Unfinished batches whose last claim failed: claims that failed one after the other, by any worker',
    labelNames: ['convention', 'ingestion', 'recompute', 'batch'] as const,
    registers,
    async collect() {
      const found = await Promise.race([failing(), delay(lookMs, [], { ref: false })]).catch(() => []);
      this.reset();
      for (const { convention, ingestion, recompute, batch, failures } of found)
        this.set({ convention, ingestion: ingestion ?? '', recompute: recompute ?? '', batch }, failures);
    },
  });
  const refused = new Counter({
    name: 'osa_tokens_refused_total',
    help: 'Requests without an accepted token, by reason',
    labelNames: ['reason'] as const,
    registers,
  });
  return {
    countRefused: (reason) => refused.inc({ reason }),
    observeRequest: ({ route, status, seconds }) => requests.observe({ route, status }, seconds),
    countClaimFailure: (convention) => claimFailures.inc({ convention }),
    observePull: (ok, seconds) => pulls.observe({ result: ok ? 'ok' : 'failed' }, seconds),
    countBatch: (end) => batches.inc({ end }),
    counted: countingQueue(registry),
    text: () => registry.metrics(),
    registry,
    contentType: registry.contentType,
  };
}
