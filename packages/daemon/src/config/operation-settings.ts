import { collectorHeaders } from '@osa/core/telemetry/headers';
import type { Path } from '@osa/core/value-path';
import { z } from 'zod';
import type { TelemetryTarget } from '../telemetry/telemetry.ts';
import { endpoint, whole } from './shapes.ts';

/** The settings of what is kept and of telemetry; part of the table in settings.ts. Those of OpenTelemetry have its own names. */
export const operationSettings = {
  keep_logs_days: {
    shape: whole(1, 36_500).optional(),
    unset: 'for ever',
    help: 'Days that the logs of attempts are kept, counted from their end; `osad prune` removes older ones.',
  },
  keep_events_days: {
    shape: whole(1, 36_500).optional(),
    unset: 'for ever',
    help: 'Days that notices of finished batches and accepted requests are kept; `osad prune` removes older ones once they are delivered.',
  },
  otlp_endpoint: {
    shape: endpoint('OTEL_EXPORTER_OTLP_HEADERS').optional(),
    variables: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
    unset: 'none',
    help: 'Collector of OpenTelemetry that gets traces and metrics, as JSON over HTTP, such as `http://localhost:4318`.',
  },
  otlp_headers: {
    shape: z.string().max(10_000).optional(),
    variables: ['OTEL_EXPORTER_OTLP_HEADERS'],
    unset: 'none',
    isSecret: true,
    help: 'Headers for the collector, as `name=value` separated by commas; values are percent-encoded.',
  },
  otlp_service_name: {
    shape: z.string().min(1).max(200).default('osad'),
    variables: ['OTEL_SERVICE_NAME'],
    help: 'The `service.name` that the collector sees.',
  },
} as const;

/** The collector that the settings name. @throws OsaError `usage` for headers that cannot be read */
export function telemetryOf(settings: {
  readonly otlp_endpoint?: string | undefined;
  readonly otlp_headers?: string | undefined;
  readonly otlp_service_name: string;
  readonly nameOf: (path: Path) => string;
}): TelemetryTarget | undefined {
  const { otlp_endpoint: url, otlp_headers: headers = '', otlp_service_name: serviceName } = settings;
  if (url === undefined) return undefined;
  return { url, serviceName, headers: collectorHeaders(headers, settings.nameOf(['otlp_headers'])) };
}
