import { createExporter } from '@osa/core/telemetry/exporter';
import { nanoseconds } from '@osa/core/telemetry/otlp';
import type { Span } from '@osa/core/telemetry/span';
import { telemetryOf } from '@osa/daemon/config/operation-settings';
import { readSettings } from '@osa/daemon/config/read-settings';
import { expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { storyArchive } from '../trace/story-archive.ts';
import { attribute, type TestCollector, testCollector } from './collector.ts';

/** Traces and metrics at a collector; a collector that is dead, slow or refusing holds nothing up. */

const timing = { spansMs: 50, metricsMs: 100, requestMs: 1_000, backoffMs: 100 };
const target = ({ url }: TestCollector) => ({
  telemetry: { url, headers: { 'x-team': 'osa' }, serviceName: 'osad', timing },
});
const line = (id: string) => `{"source_id":"${id}","metadata":{"value":1}}\n`;

test('one trace goes from the command line through the request to the attempt of a hook', async () => {
  await using collector = await testCollector();
  const archive = await storyArchive(target(collector));
  try {
    await deployHook(archive.daemon, hookCode('process.exit(3);'));
    const scopes = ['ingestions:write', 'ingestions:read', 'runs:read'];
    const parent = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;
    const told = await archive.osa(['ingest', 'tests', '-', '--json'], {
      ...{ stdin: line('traced'), scopes },
      environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, TRACEPARENT: parent },
    });
    const { id } = JSON.parse(told.stdout) as { id: string };
    const batch = await until('the span of the batch', async () =>
      collector.spans.find((span) => attribute(span, 'osa.ingestion') === id),
    );
    const of = (spanId: string | undefined) => collector.spans.find((span) => span.spanId === spanId);
    const request = await until('the span of the request', async () => of(batch.parentSpanId));
    expect(request).toMatchObject({
      name: 'POST /api/v1/conventions/:slug/ingestions',
      kind: 2,
      service: 'osad',
    });
    expect(attribute(request, 'http.response.status_code')).toBe('201');
    const attempts = collector.spans.filter(({ parentSpanId }) => parentSpanId === batch.spanId);
    expect(attempts.map(({ name }) => name)).toContain('attempt probe');
    expect(attempts[0]?.status).toMatchObject({ code: 2 });
    expect(attribute(attempts[0] ?? batch, 'osa.exit_code')).toBe('3');
    expect(new Set([...attempts, batch, request].map(({ traceId }) => traceId)).size).toBe(1);
    const call = await until('the span of the call', async () => of(request.parentSpanId));
    expect(call).toMatchObject({ kind: 3, service: 'osa', traceId: 'c'.repeat(32) });
    expect(of(call.parentSpanId)).toMatchObject({ name: 'osa ingest', parentSpanId: 'd'.repeat(16) });
    for (const span of [request, batch, ...attempts]) {
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
    }
    expect(collector.headers[0]).toMatchObject({ 'x-team': 'osa' });
    const text = JSON.stringify(collector.spans);
    expect(text).not.toContain('"value":1}');
    expect(text).not.toContain('Bearer');
  } finally {
    await archive.close();
  }
});

test('the metrics are those of /metrics, with buckets that count alone', async () => {
  await using collector = await testCollector();
  const archive = await storyArchive(target(collector));
  try {
    const found = await until('a histogram', async () =>
      collector.metrics.findLast(({ name }) => name === 'osa_http_request_seconds'),
    );
    for (const point of found.histogram?.dataPoints ?? []) {
      expect(point.bucketCounts).toHaveLength(point.explicitBounds.length + 1);
      expect(point.bucketCounts.reduce((sum, count) => sum + Number(count), 0)).toBe(Number(point.count));
    }
    const names = new Set(collector.metrics.map(({ name }) => name));
    expect(names).toContain('osa_workers');
    expect(collector.metrics.find(({ name }) => name === 'osa_hook_runs_total')?.sum?.isMonotonic).toBe(true);
  } finally {
    await archive.close();
  }
});

test.each<[string, () => number | 'none']>([
  ['never answers', () => 'none'],
  ['refuses all', () => 400],
  ['is away', () => 503],
])('a collector that %s holds up no work and no stop', async (_what, answer) => {
  await using collector = await testCollector(answer);
  const archive = await storyArchive(target(collector));
  await archive.ingest(line('still taken'));
  await until('a request to the collector', async () => collector.requests > 0);
  const began = performance.now();
  await archive.close();
  expect(performance.now() - began).toBeLessThan(8_000);
  expect(archive.daemon.log.join('')).toMatch(/"level":"warn".*OpenTelemetry collector takes nothing/);
});

test('a command waits half a second at most for its collector, and says the same', async () => {
  await using collector = await testCollector(() => 'none');
  const archive = await storyArchive();
  try {
    const plain = await archive.osa(['hooks', 'list']);
    const began = performance.now();
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const traced = await archive.osa(['hooks', 'list'], { environment });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(collector.requests).toBe(1);
    expect(traced).toEqual(plain);
    for (const endpoint of ['here', 'http://ada:s3cret@localhost:4318']) {
      const wrong = await archive.osa(['hooks', 'list'], {
        environment: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
      });
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('OTEL_EXPORTER_OTLP_ENDPOINT')]);
      expect(wrong.stderr).not.toContain('s3cret');
    }
  } finally {
    await archive.close();
  }
});

test('what waits is bounded, and what is refused for a while is sent later', async () => {
  let status = 503;
  await using collector = await testCollector(() => status);
  const changes: boolean[] = [];
  const exporter = createExporter({
    collector: { url: collector.url, headers: {} },
    resource: { attributes: { 'service.name': 'test' }, version: '1' },
    onChange: (isAway) => changes.push(isAway),
    timing,
  });
  for (let index = 0; index < 10_000; index += 1) exporter.add(span(index));
  expect(exporter.dropped).toBe(10_000 - 4_096);
  await until('a refusal', async () => changes.length > 0);
  status = 200;
  await until('all that was kept', async () => collector.spans.length === 4_096);
  expect(collector.spans[0]?.name).toBe('span 0');
  expect(new Set(collector.spans.map(({ name }) => name)).size).toBe(4_096);
  await exporter.close(1_000);
  expect(changes).toEqual([true, false]);
});

function span(index: number): Span {
  const ids = { traceId: 'a'.repeat(32), spanId: String(index).padStart(16, '0') };
  return { ...ids, name: `span ${index}`, kind: 'internal', startMs: 1, endMs: 2, attributes: {} };
}

test('nanoseconds since 1970 keep every digit', () => {
  expect(nanoseconds(1_790_000_000_123.5)).toBe('1790000000123500000');
  expect(nanoseconds(0)).toBe('0000000');
});

test('headers are read as OpenTelemetry says, and a wrong one names its variable', () => {
  const of = (headers: string) =>
    telemetryOf(
      readSettings({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318',
        OTEL_EXPORTER_OTLP_HEADERS: headers,
      }),
    )?.headers;
  expect(of('Authorization=Basic%20eDp5, x-a = b')).toEqual({ authorization: 'Basic eDp5', 'x-a': 'b' });
  for (const wrong of ['novalue', '=x', 'a=%zz', 'a=%0d%0ab']) {
    expect(() => of(wrong)).toThrow(
      expect.objectContaining({ code: 'usage', field: 'OTEL_EXPORTER_OTLP_HEADERS' }),
    );
  }
  expect(() => readSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' })).toThrow(
    expect.objectContaining({ field: 'OTEL_EXPORTER_OTLP_ENDPOINT' }),
  );
  expect(telemetryOf(readSettings({}))).toBeUndefined();
});
