import { OsaError } from '@osa/core/error';
import type { Collector } from '@osa/core/telemetry/exporter';
import { collectorHeaders } from '@osa/core/telemetry/headers';
import type { Sources } from './config.ts';

/** The collector of OpenTelemetry that the environment names. @throws OsaError `usage` */
export function collectorOf({ environment }: Sources): Collector | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_HEADERS: headers = '' } = environment;
  if (!url) return undefined;
  const field = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new OsaError(
      'usage',
      `${field}: must be a URL with http:// or https://, such as http://localhost:4318`,
      {
        field,
      },
    );
  }
  if (URL.parse(url)?.username || URL.parse(url)?.password) {
    throw new OsaError(
      'usage',
      `${field}: must not hold a user or password; put them into OTEL_EXPORTER_OTLP_HEADERS`,
      { field },
    );
  }
  return { url, headers: collectorHeaders(headers, 'OTEL_EXPORTER_OTLP_HEADERS') };
}
