import { setTimeout as delay } from 'node:timers/promises';
import { needCodes } from '@osa/core/api/status/status';
import type { StatusMetrics } from '@osa/core/postgres/status/metrics';
import { needsOf } from '@osa/core/status/status';
import { Gauge, type Registry } from 'prom-client';

export interface StateParts {
  /** The state of the archive; looked at when the metrics are read. */
  look(): Promise<StatusMetrics>;
  disk(): Promise<{ readonly total_bytes: number; readonly free_bytes: number }>;
  readonly pools: Readonly<
    Record<string, { usage(): { readonly max: number; readonly lent: number; readonly waiting: number } }>
  >;
  readonly version: string;
}

/** How long a scrape waits for the database, and how long a look is used again. */
const [lookMs, freshMs] = [1_000, 5_000];

/** Gauges of the archive as a whole. Every daemon of a database shows the same, so alerts take their maximum. */
export function stateGauges(registry: Registry, parts: StateParts): void {
  const registers = [registry];
  // A reading asks all gauges at once, so each waits for the same look: else it would show the look before.
  let looking: Promise<void> | undefined;
  const collect = () => {
    looking ??= fill().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const gauge = <const L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name, help, labelNames: [...labelNames], registers, collect });
  const build = gauge('osa_build_info', 'The version of osad and of Node', ['version', 'node']);
  build.set({ version: parts.version, node: process.versions.node }, 1);
  const up = gauge('osa_status_known', 'Whether the database answered when the metrics were read');
  const batches = gauge('osa_queue_batches', 'Open batches, by state and why they wait', [
    'convention',
    'status',
    'why',
  ]);
  const oldest = gauge('osa_queue_oldest_seconds', 'Age of the oldest batch that waits', ['convention']);
  const needs = gauge('osa_needs', 'Things that need a person, as osa status lists them', ['code']);
  const live = gauge('osa_hook_live_version', 'The live release of a hook', ['hook']);
  const workers = gauge('osa_workers', 'Workers that run');
  const size = gauge('osa_database_bytes', 'Size of the database');
  const free = gauge('osa_disk_free_bytes', 'Free on the disk of the data directory');
  const total = gauge('osa_disk_bytes', 'Size of the disk of the data directory');
  const pools = gauge('osa_pool_connections', 'Connections to the database', ['pool', 'state']);
  const read = gauge('osa_metrics_read_timestamp_seconds', 'When these metrics were read');
  const look = cached(parts.look);
  async function fill(): Promise<void> {
    read.set(Date.now() / 1_000);
    for (const [pool, { usage }] of Object.entries(parts.pools)) {
      for (const [state, count] of Object.entries(usage())) pools.set({ pool, state }, count);
    }
    const disk = await parts.disk().catch(() => undefined);
    if (disk) {
      free.set(disk.free_bytes);
      total.set(disk.total_bytes);
    }
    const late = new AbortController();
    const waited = delay(lookMs, undefined, { ref: false, signal: late.signal }).catch(() => undefined);
    const state = await Promise.race([look(), waited]).catch(() => undefined);
    late.abort();
    up.set(state ? 1 : 0);
    for (const one of [batches, oldest, needs, live]) one.reset();
    if (!state) return;
    const { stored, groups, liveVersions } = state;
    for (const { convention, status, why, batches: count } of groups) {
      batches.set({ convention, status, why: why ?? 'none' }, count);
    }
    const now = Date.parse(stored.now);
    for (const { convention, oldest_at } of stored.queue.conventions) {
      oldest.set({ convention }, oldest_at === null ? 0 : Math.max(0, now - Date.parse(oldest_at)) / 1_000);
    }
    const found = needsOf(stored, disk ?? { total_bytes: 1, free_bytes: 1 });
    for (const code of needCodes) needs.set({ code }, found.filter((need) => need.code === code).length);
    for (const { hook, version } of liveVersions) live.set({ hook }, version);
    workers.set(stored.workers.length);
    size.set(stored.database.bytes);
  }
}

function cached<T>(work: () => Promise<T>): () => Promise<T> {
  let kept: { readonly at: number; readonly value: Promise<T> } | undefined;
  return () => {
    if (!kept || performance.now() - kept.at > freshMs) {
      const value = work();
      value.catch(() => {
        kept = undefined;
      });
      kept = { at: performance.now(), value };
    }
    return kept.value;
  };
}
