import type { BatchQueue } from '@osa/core/run/queue';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** What `/metrics` shows. Each daemon has a registry of its own. */
export interface Metrics {
  observeRequest(request: {
    readonly route: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  /** A request was refused for its token, or for having none. */
  countRefused(reason: string): void;
  /** A claim of a batch ended, and how. */
  countBatch(end: string): void;
  /** The queue, with its finished runs and rows counted. */
  counted(queue: BatchQueue): BatchQueue;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The loop's lag, memory, processor time and garbage collection.
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'osa_http_request_seconds',
    help: 'Requests by route and status, and how long they took',
    labelNames: ['route', 'status'] as const,
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  });
  const batches = new Counter({
    name: 'osa_batches_total',
    help: 'How the claims of batches by this worker ended: finished, let_go, retry_later, stop_ingestion',
    labelNames: ['end'] as const,
    registers,
  });
  const runs = new Counter({
    name: 'osa_hook_runs_total',
    help: 'Runs of hooks that ended, by status',
    labelNames: ['hook', 'status'] as const,
    registers,
  });
  const rows = new Counter({
    name: 'osa_rows_total',
    help: 'Rows stored, by hook',
    labelNames: ['hook'] as const,
    registers,
  });
  const refused = new Counter({
    name: 'osa_tokens_refused_total',
    help: 'Requests without an accepted token, by what was wrong',
    labelNames: ['reason'] as const,
    registers,
  });
  return {
    countRefused: (reason) => refused.inc({ reason }),
    observeRequest: ({ route, status, seconds }) => requests.observe({ route, status }, seconds),
    countBatch: (end) => batches.inc({ end }),
    counted: (queue) => ({
      ...queue,
      async finish(claim, results) {
        await queue.finish(claim, results);
        for (const { run, status, output } of results) {
          runs.inc({ hook: run.hook, status });
          rows.inc({ hook: run.hook }, output?.judgement.rowCount ?? 0);
        }
      },
    }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
