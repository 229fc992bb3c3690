import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A collector of OpenTelemetry that keeps what it is sent. */
export interface TestCollector extends AsyncDisposable {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  readonly metrics: readonly ReceivedMetric[];
  readonly headers: readonly IncomingHttpHeaders[];
  /** Requests that came. */
  readonly requests: number;
}

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number; readonly message?: string };
  /** `service.name` of its resource. */
  readonly service: unknown;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly histogram?: { readonly dataPoints: readonly HistogramPoint[] };
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: readonly object[] };
  readonly gauge?: { readonly dataPoints: readonly object[] };
}

export interface HistogramPoint {
  readonly count: string;
  readonly explicitBounds: readonly number[];
  readonly bucketCounts: readonly string[];
}

/** `answer` is the status of each answer, or none at all: then it only keeps the connection. */
export async function testCollector(answer: () => number | 'none' = () => 200): Promise<TestCollector> {
  const spans: ReceivedSpan[] = [];
  const metrics: ReceivedMetric[] = [];
  const headers: IncomingHttpHeaders[] = [];
  let requests = 0;
  const server = createServer(async (request, response) => {
    requests += 1;
    headers.push(request.headers);
    const status = answer();
    if (status === 'none') return;
    const body = (await json(request)) as Body;
    for (const { resource, scopeSpans } of status === 200 ? (body.resourceSpans ?? []) : []) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue;
      for (const scope of scopeSpans) spans.push(...scope.spans.map((span) => ({ ...span, service })));
    }
    for (const { scopeMetrics } of status === 200 ? (body.resourceMetrics ?? []) : []) {
      for (const scope of scopeMetrics) metrics.push(...scope.metrics);
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    headers,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Body {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: ReceivedSpan['attributes'] };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<ReceivedSpan, 'service'>[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly ReceivedMetric[] }[];
  }[];
}

export function attribute(span: ReceivedSpan, name: string): unknown {
  const value = span.attributes.find(({ key }) => key === name)?.value ?? {};
  return Object.values(value)[0];
}
