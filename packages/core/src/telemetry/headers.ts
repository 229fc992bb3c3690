import { OsaError } from '../error.ts';

/**
 * Reads OTEL_EXPORTER_OTLP_HEADERS: `name=value` separated by commas, values percent-encoded. `field` is where the text is from.
 *
 * @throws OsaError `usage`, without the text, which may hold a secret
 */
export function collectorHeaders(text: string, field: string): Record<string, string> {
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
