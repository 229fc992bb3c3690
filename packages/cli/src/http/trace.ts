import { randomBytes } from 'node:crypto';
import { parseTraceparent } from '@osa/core/request-context';
import type { Collector } from '@osa/core/telemetry/exporter';
import type { Span } from '@osa/core/telemetry/span';

/** The trace of one command: its requests are parts of it. */
export interface CommandTrace {
  readonly traceId: string;
  /** Runs a request as a span of its own. */
  call<T>(name: string, work: (spanId: string) => Promise<T>): Promise<T>;
  /** Sends the spans, where a collector is named; at most half a second is spent on it. */
  end(name: string, exitCode: number): Promise<void>;
}

export interface TraceOptions {
  readonly collector: Collector | undefined;
  /** `TRACEPARENT` of the environment: a step of CI that this command is a part of. */
  readonly parent: string | undefined;
  readonly version: string;
}

const lastMs = 500;
/** More than a person waits for; a command that follows something for days sends the first ones. */
const mostSpans = 1_000;

export function commandTrace({ collector, parent, version }: TraceOptions): CommandTrace {
  const origin = parseTraceparent(parent);
  const traceId = origin?.traceId ?? randomBytes(16).toString('hex');
  const root = randomBytes(8).toString('hex');
  const startMs = Date.now();
  const spans: Span[] = [];
  const add = (span: Span) => {
    if (collector && spans.length < mostSpans) spans.push(span);
  };
  return {
    traceId,
    async call(name, work) {
      const spanId = randomBytes(8).toString('hex');
      const began = Date.now();
      const tell = (error?: string) =>
        add({
          ...{ traceId, spanId, parentId: root, name, kind: 'client', startMs: began, endMs: Date.now() },
          ...{ attributes: {}, error },
        });
      try {
        const result = await work(spanId);
        tell();
        return result;
      } catch (error) {
        tell(error instanceof Error && 'code' in error ? String(error.code) : 'failed');
        throw error;
      }
    },
    async end(name, exitCode) {
      if (!collector || spans.length === 0) return;
      const { createExporter } = await import('@osa/core/telemetry/exporter');
      const attributes = { 'service.name': 'osa', 'service.version': version };
      const exporter = createExporter({ collector, resource: { attributes, version } });
      const error = exitCode === 0 ? undefined : `exit code ${exitCode}`;
      const ids = { traceId, spanId: root, parentId: origin?.spanId };
      const command = { ...ids, name, kind: 'internal', startMs, endMs: Date.now() } as const;
      for (const span of spans) exporter.add(span);
      exporter.add({ ...command, attributes: { 'process.exit.code': exitCode }, error });
      await exporter.close(lastMs);
    },
  };
}
