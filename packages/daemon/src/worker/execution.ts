import { failpoint } from '@osa/core/failpoint';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { comparisonQueue } from '@osa/core/postgres/recompute/comparison/queue';
import { replayQueue } from '@osa/core/postgres/recompute/replay/queue';
import { originOfBatch } from '@osa/core/postgres/trace/origin';
import type { Execution } from '@osa/core/run/execution';
import type { OutputThreads } from '@osa/core/run/output/threads';
import type { Runner } from '@osa/core/run/runner';
import { hookSlots } from '@osa/core/run/slots';
import { makeRunners } from '@osa/core/runners/index';
import { sweep } from '@osa/core/runners/shared/sweep';
import type { Stores } from '@osa/core/storage/index';
import type { Logger } from 'pino';
import type { DaemonConfig } from '../config/config.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { sweepDead } from './workspace.ts';

export interface ExecutionParts {
  /** For claims and renewals. */
  readonly claims: Database;
  /** For the final transactions of batches. */
  readonly endings: Database;
  readonly stores: Stores;
  readonly threads: OutputThreads;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly log: Logger;
}

/**
 * Prepares the execution of batches. Code that a dead daemon left running is ended before its batches are given back,
 * so that no code runs twice at a time.
 */
export async function prepareExecution(config: DaemonConfig, parts: ExecutionParts): Promise<Execution> {
  const { worker, workDirectory: workspace } = config;
  const { claims, endings, stores, threads, metrics, telemetry, log } = parts;
  const counted = metrics.counted(postgresQueue(claims, { domain: config.domain, endings }));
  const queue = telemetry.traced(counted, (claim) => originOfBatch(claims, claim));
  const own = await ownRunners(config, { stores, metrics, log });
  await failpoint('recovery.start');
  const swept = await sweepOrphans(config, own);
  if (swept > 0) log.warn({ attempts: swept }, 'ended attempts that a dead daemon had left running');
  const given = worker.isInherited ? await queue.giveBack(worker.name) : 0;
  if (given > 0) log.info({ batches: given }, 'gave back batches that a dead daemon had held');
  return {
    queue,
    comparisons: comparisonQueue(claims, endings),
    replays: replayQueue(claims, endings),
    runners: own,
    worker: { name: worker.name, leaseMs: worker.leaseSeconds * 1_000 },
    slots: hookSlots(worker.perHook),
    held: new Map(),
    threads,
    files: stores.files,
    workspace,
    maxMemoryBytes: config.maxHookMemoryBytes,
    log: (event, details) => report(event, details, { metrics, log }),
  };
}

/** Development has one workspace; in production each daemon has its own, next to those of dead daemons. */
async function sweepOrphans(
  { mode, runner, workDirectory }: DaemonConfig,
  own: readonly Runner[],
): Promise<number> {
  if (runner === 'none') return 0;
  return mode === 'production' ? sweepDead(own, workDirectory) : sweep(own, workDirectory);
}

/** Development always runs directories; production runs images only. */
async function ownRunners(
  { mode, runner, containers, environment }: DaemonConfig,
  { stores, metrics, log }: Pick<ExecutionParts, 'stores' | 'metrics' | 'log'>,
): Promise<Runner[]> {
  return makeRunners(runner, {
    isDevelopment: mode === 'development',
    blobs: stores.blobs,
    environment,
    engineOptions: containers.engineOptions,
    acceptedRuntime: containers.acceptedRuntime,
    requiresSafeRuntime: mode === 'production',
    registries: containers.registries ?? [],
    pullTimeoutMs: containers.pullSeconds * 1_000,
    onPull: metrics.observePull,
    warn: (message, details) => log.warn(details, message),
  });
}

/** The events that end a claim; these are counted. */
const ends: readonly string[] = ['finished', 'let_go', 'retry_later', 'stop_ingestion'];

const levels: Readonly<Record<string, 'debug' | 'info'>> = {
  'batch.claimed': 'debug',
  'comparison.claimed': 'debug',
  'replay.claimed': 'debug',
  'batch.finished': 'info',
};

/** The usual is logged at debug, the end of a batch at info, anomalies at warn. */
function report(
  event: string,
  { error, ...details }: Readonly<Record<string, unknown>>,
  { metrics, log }: Pick<ExecutionParts, 'metrics' | 'log'>,
): void {
  const end = event.replace(/^batch\./, '');
  if (ends.includes(end)) metrics.countBatch(end);
  if (event === 'batch.claim_failed') metrics.countClaimFailure(String(details.convention));
  const level = levels[event] ?? (details.stopping === true ? 'debug' : 'warn');
  const facts = error === undefined ? details : { ...details, err: error };
  log[level](facts, event.replaceAll(/[._]/g, ' '));
}
