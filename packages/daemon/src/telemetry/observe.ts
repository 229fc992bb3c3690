import { failingBatches } from '@osa/core/postgres/queue/set-aside';
import { statusMetrics } from '@osa/core/postgres/status/metrics';
import type { Logger } from 'pino';
import type { DaemonConfig } from '../config/config.ts';
import { diskOf } from '../http/routes/status.ts';
import type { Pools } from '../pools.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import type { Telemetry } from './telemetry.ts';

/** The measurements: metrics always, traces where a collector is named. */
export interface Observed {
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
}

export async function observe(
  config: DaemonConfig,
  { pools, log }: { readonly pools: Pools; readonly log: Logger },
): Promise<Observed> {
  const { requests } = pools;
  const metrics = createMetrics({
    failing: () => failingBatches(requests),
    look: () => statusMetrics(requests),
    disk: () => diskOf(config.dataDirectory),
    ...{ pools, version: config.version },
  });
  const { telemetry: target, version, worker } = config;
  if (!target) return { metrics, telemetry: nothing };
  // Loaded only where it is wanted.
  const { startTelemetry } = await import('./telemetry.ts');
  const { registry } = metrics;
  return { metrics, telemetry: startTelemetry({ target, version, instance: worker.name, registry, log }) };
}

const nothing: Telemetry = {
  observeRequest: () => undefined,
  traced: (queue) => queue,
  [Symbol.asyncDispose]: async () => undefined,
};
