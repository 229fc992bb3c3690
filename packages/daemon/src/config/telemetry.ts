import { OsaError } from '@osa/core/error';
import type { TelemetryTarget } from '../telemetry/telemetry.ts';
import type { Settings } from './read-settings.ts';

/** @throws OsaError `usage` for headers that cannot be read */
export function telemetryOf(settings: Settings): TelemetryTarget | undefined {
  const { otlp_endpoint: url, otlp_headers: headers = '', otlp_service_name: serviceName } = settings;
  if (url === undefined) return undefined;
  return { url, serviceName, headers: headersOf(headers, settings.nameOf(['otlp_headers'])) };
}

function headersOf(text: string, field: string): Record<string, string> {
  const entries = text.split(',').filter((part) => part.trim() !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([^\r\n]*?)\s*$/.exec(entry) ?? [];
      const decoded = value === undefined ? undefined : decode(value);
      if (name === undefined || decoded === undefined) {
        throw new OsaError('usage', `${field}: give name=value separated by commas, values percent-encoded`, {
          field,
        });
      }
      return [name.toLowerCase(), decoded];
    }),
  );
}

function decode(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text);
    return /^[\t\x20-\x7e\x80-\xff]*$/.test(decoded) ? decoded : undefined;
  } catch {
    return undefined;
  }
}
