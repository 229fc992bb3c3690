import { attributesOf, nanoseconds } from '@osa/core/telemetry/otlp';
import type { Registry } from 'prom-client';

/** The part of `getMetricsAsJSON`'s answer that is used here. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Value[];
}
interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/** The metrics of `/metrics`, as OTLP has them: the same names, labels and values. */
export async function otlpMetrics(
  registry: Pick<Registry, 'getMetricsAsJSON'>,
  startMs: number,
): Promise<object[]> {
  const metrics = (await registry.getMetricsAsJSON()) as unknown as readonly Metric[];
  const times = { startTimeUnixNano: nanoseconds(startMs), timeUnixNano: nanoseconds(Date.now()) };
  return metrics.filter(({ values }) => values.length > 0).map((metric) => metricOf(metric, times));
}

type Times = Readonly<Record<'startTimeUnixNano' | 'timeUnixNano', string>>;

/** Sums and histograms count from the start of the daemon. */
const cumulative = 2;

function metricOf({ name, help, type, values }: Metric, times: Times): object {
  const head = { name, description: help };
  if (type === 'histogram') {
    const dataPoints = histogramPoints(name, values, times);
    return { ...head, histogram: { aggregationTemporality: cumulative, dataPoints } };
  }
  const dataPoints = values.map(({ value, labels }) => ({
    ...times,
    attributes: attributesOf(labels),
    asDouble: value,
  }));
  if (type !== 'counter') return { ...head, gauge: { dataPoints } };
  return { ...head, sum: { aggregationTemporality: cumulative, isMonotonic: true, dataPoints } };
}

/** Prometheus counts each bucket with all below it; OTLP counts it alone. */
function histogramPoints(name: string, values: readonly Value[], times: Times): object[] {
  const groups = Map.groupBy(values, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  return [...groups.values()].map((group) => {
    const { le: _, ...labels } = group[0]?.labels ?? {};
    const buckets = group.filter(({ metricName }) => metricName === `${name}_bucket`);
    const of = (part: string) => group.find(({ metricName }) => metricName === `${name}_${part}`)?.value ?? 0;
    return {
      ...times,
      attributes: attributesOf(labels),
      count: String(of('count')),
      sum: of('sum'),
      explicitBounds: buckets.map(({ labels: { le } }) => Number(le)).filter(Number.isFinite),
      bucketCounts: buckets.map(({ value }, index) => String(value - (buckets[index - 1]?.value ?? 0))),
    };
  });
}
