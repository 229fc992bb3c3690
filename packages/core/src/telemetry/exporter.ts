import { metricsRequest, type Resource, tracesRequest } from './otlp.ts';
import type { Span } from './span.ts';

export interface Collector {
  /** Up to `/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ExporterOptions {
  readonly collector: Collector;
  readonly resource: Resource;
  /** Called once each time that the collector is away, and once when it is back. */
  readonly onChange?: (isAway: boolean, why: string) => void;
  /** The metrics at the moment, as OTLP has them. */
  readonly metrics?: () => Promise<readonly object[]>;
  readonly timing?: Partial<ExporterTiming>;
}

export interface ExporterTiming {
  /** Between two requests with spans. */
  readonly spansMs: number;
  readonly metricsMs: number;
  /** The time for one request. */
  readonly requestMs: number;
  /** Between tries while the collector is away. */
  readonly backoffMs: number;
}

const usual: ExporterTiming = { spansMs: 1_000, metricsMs: 60_000, requestMs: 5_000, backoffMs: 15_000 };

/** Spans that wait at most; the newest are dropped beyond. */
const mostWaiting = 4_096;
const mostAtOnce = 512;

/**
 * Sends spans and metrics to a collector, beside everything else: `add` never waits, and what the collector does not take is
 * dropped. One request is under way at a time.
 */
export interface Exporter {
  add(span: Span): void;
  /** Spans that were dropped because too many waited. */
  readonly dropped: number;
  /** Sends what waits, within `withinMs`, and ends. */
  close(withinMs: number): Promise<void>;
}

export function createExporter(options: ExporterOptions): Exporter {
  return new Sender(options);
}

class Sender implements Exporter {
  dropped = 0;
  private waiting: Span[] = [];
  private isAway = false;
  private isSending = false;
  private sending: Promise<void> = Promise.resolve();
  private quietUntil = 0;
  private readonly timers: readonly NodeJS.Timeout[];
  private readonly timing: ExporterTiming;
  private readonly ended = new AbortController();
  private readonly options: ExporterOptions;

  constructor(options: ExporterOptions) {
    this.options = options;
    this.timing = { ...usual, ...options.timing };
    this.timers = [
      setInterval(() => this.round(() => this.sendSpans()), this.timing.spansMs).unref(),
      setInterval(() => this.round(() => this.sendMetrics()), this.timing.metricsMs).unref(),
    ];
  }

  add(span: Span): void {
    if (this.waiting.length < mostWaiting) this.waiting.push(span);
    else this.dropped += 1;
  }

  async close(withinMs: number): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    const late = setTimeout(() => this.ended.abort(), withinMs);
    await this.sending;
    this.quietUntil = 0;
    await this.sendSpans();
    await this.sendMetrics();
    clearTimeout(late);
  }

  /** A round that comes while another is under way is left out. */
  private round(work: () => Promise<void>): void {
    if (this.isSending) return;
    this.isSending = true;
    this.sending = work().finally(() => {
      this.isSending = false;
    });
  }

  private async sendSpans(): Promise<void> {
    while (this.waiting.length > 0 && performance.now() >= this.quietUntil && !this.ended.signal.aborted) {
      const spans = this.waiting.splice(0, mostAtOnce);
      const isTaken = await this.post('traces', tracesRequest(this.options.resource, spans));
      // Those that came meanwhile are newer, so the older ones go first again, as far as there is room.
      if (!isTaken) this.waiting = [...spans, ...this.waiting].slice(0, mostWaiting);
    }
  }

  private async sendMetrics(): Promise<void> {
    if (!this.options.metrics || performance.now() < this.quietUntil || this.ended.signal.aborted) return;
    const metrics = await this.options.metrics().catch(() => []);
    if (metrics.length > 0) await this.post('metrics', metricsRequest(this.options.resource, metrics));
  }

  /** @returns false where the same may be taken later */
  private async post(what: 'traces' | 'metrics', body: object): Promise<boolean> {
    const { collector } = this.options;
    try {
      const answer = await fetch(`${collector.url.replace(/\/$/, '')}/v1/${what}`, {
        method: 'POST',
        headers: { ...collector.headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        redirect: 'manual',
        signal: AbortSignal.any([this.ended.signal, AbortSignal.timeout(this.timing.requestMs)]),
      });
      await answer.body?.cancel();
      this.changed(!answer.ok, `it answered with status ${answer.status}`);
      if (answer.ok || !retryable.includes(answer.status)) return true;
    } catch (error) {
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      this.changed(true, cause instanceof Error ? cause.message : String(cause));
    }
    this.quietUntil = performance.now() + this.timing.backoffMs;
    return false;
  }

  private changed(isAway: boolean, why: string): void {
    if (isAway !== this.isAway) this.options.onChange?.(isAway, why);
    this.isAway = isAway;
  }
}

/** The answers of OTLP/HTTP after which the same may be sent again. */
const retryable = [429, 502, 503, 504];
