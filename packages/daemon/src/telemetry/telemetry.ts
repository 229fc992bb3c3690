import type { RequestContext } from '@osa/core/request-context';
import type { BatchQueue } from '@osa/core/run/queue';
import { type Collector, createExporter, type ExporterTiming } from '@osa/core/telemetry/exporter';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { otlpMetrics } from './prometheus.ts';
import { type TracingQueueParts, tracingQueue } from './traced-queue.ts';

/** Traces and metrics for an OpenTelemetry collector. Nothing ever waits for it. */
export interface Telemetry extends AsyncDisposable {
  observeRequest(request: TracedRequest): void;
  /** Wraps the queue of a worker, so that claims and attempts are spans. */
  traced(queue: BatchQueue, originOf: TracingQueueParts['originOf']): BatchQueue;
}

export interface TracedRequest {
  readonly context: RequestContext;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly ms: number;
}

export interface TelemetryTarget extends Collector {
  readonly serviceName: string;
  readonly timing?: Partial<ExporterTiming>;
}

export interface TelemetryParts {
  readonly target: TelemetryTarget;
  readonly version: string;
  /** The id of this daemon among those of a database. */
  readonly instance: string;
  readonly registry: Registry;
  readonly log: Logger;
}

/** A stop waits this long at most for the last request. */
const lastMs = 2_000;

export function startTelemetry({ target, version, instance, registry, log }: TelemetryParts): Telemetry {
  const startMs = Date.now();
  const { serviceName, timing, ...collector } = target;
  const exporter = createExporter({
    collector,
    resource: {
      version,
      attributes: {
        'service.name': serviceName,
        'service.version': version,
        'service.instance.id': instance,
      },
    },
    metrics: () => otlpMetrics(registry, startMs),
    onChange: (isAway, why) => {
      if (isAway)
        log.warn({ why }, 'the OpenTelemetry collector takes nothing; spans are dropped if it stays so');
      else log.info('the OpenTelemetry collector takes spans again');
    },
    ...(timing && { timing }),
  });
  return {
    observeRequest({ context, method, route, status, ms }) {
      const { traceId, spanId, parentId, id } = context;
      const endMs = Date.now();
      exporter.add({
        ...{
          traceId,
          spanId,
          parentId,
          name: `${method} ${route}`,
          kind: 'server',
          startMs: endMs - ms,
          endMs,
        },
        attributes: {
          'http.request.method': method,
          'http.route': route,
          'http.response.status_code': status,
          'osa.request_id': id,
        },
        error: status >= 500 ? `status ${status}` : undefined,
      });
    },
    traced: (queue, originOf) => tracingQueue(queue, { add: (span) => exporter.add(span), originOf }),
    [Symbol.asyncDispose]: () => exporter.close(lastMs),
  };
}
