import type { Attributes, Span } from './span.ts';

/**
 * The JSON of OTLP/HTTP 1.x (https://opentelemetry.io/docs/specs/otlp/): Protobuf's JSON mapping, with ids in hex and 64-bit
 * numbers as text.
 */

export interface Resource {
  /** `service.name` and others. */
  readonly attributes: Attributes;
  readonly version: string;
}

const kinds = { internal: 1, server: 2, client: 3, consumer: 5 } as const;

export function tracesRequest(resource: Resource, spans: readonly Span[]): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource.attributes) },
        scopeSpans: [{ scope: { name: 'osa', version: resource.version }, spans: spans.map(spanOf) }],
      },
    ],
  };
}

export function metricsRequest(resource: Resource, metrics: readonly object[]): object {
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributesOf(resource.attributes) },
        scopeMetrics: [{ scope: { name: 'osa', version: resource.version }, metrics }],
      },
    ],
  };
}

function spanOf({ traceId, spanId, parentId, name, kind, startMs, endMs, attributes, error }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentId !== undefined && { parentSpanId: parentId }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(Math.max(startMs, endMs)),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: 2, message: error },
  };
}

export function attributesOf(attributes: Attributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** A double cannot hold the nanoseconds since 1970, so the text is put together of parts. */
export function nanoseconds(milliseconds: number): string {
  const whole = Math.floor(milliseconds);
  const rest = Math.floor((milliseconds - whole) * 1e6);
  return `${whole}${String(rest).padStart(6, '0')}`;
}
