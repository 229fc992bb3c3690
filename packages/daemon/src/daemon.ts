import { join } from 'node:path';
import { type RouteName, routes } from '@osa/core/api';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import type { OwnIssuer } from '@osa/core/auth/publisher/exchange';
import { tokenVerifier, type Verifier } from '@osa/core/auth/verify-token';
import { failpoint } from '@osa/core/failpoint';
import { forgetOldLogins } from '@osa/core/postgres/auth/people';
import type { Database } from '@osa/core/postgres/connection/connect';
import { forgetOldAnswers } from '@osa/core/postgres/registry/stored-answers';
import { postgresStore } from '@osa/core/postgres/store';
import { forgetUploadUse } from '@osa/core/postgres/upkeep/upload-use';
import { type OutputThreads, outputThreads } from '@osa/core/run/output/threads';
import type { Stores } from '@osa/core/storage/index';
import { makeDirectories } from '@osa/core/storage/make-directories';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { ownIssuer, peopleIssuer, withOwn } from './auth/own-issuer.ts';
import { cachedProviderKeys } from './auth/provider-keys.ts';
import { loginParts, loginRoutes } from './auth/routes.ts';
import type { DaemonConfig } from './config/config.ts';
import { requireFit, requireSafe, requireSafeIssuers, unusableDirectory } from './config/start-checks.ts';
import { authenticator, type FailedTokens, failedTokens } from './http/authenticate.ts';
import { failureRateLimit } from './http/failure-rate-limit.ts';
import { httpLimits } from './http/limits.ts';
import { listen } from './http/listen.ts';
import { type Handlers, isBounded } from './http/mount.ts';
import { boundedReads } from './http/reads/reads.ts';
import { type RefusalLog, refusalLog } from './http/refusal-log.ts';
import { authRoutes } from './http/routes/auth.ts';
import { blobRoutes } from './http/routes/blobs.ts';
import { conventionRoutes } from './http/routes/conventions.ts';
import { dataRoutes } from './http/routes/data.ts';
import { depositionRoutes } from './http/routes/deposition/depositions.ts';
import { depositionFormRoutes } from './http/routes/deposition/forms.ts';
import { eventRoutes } from './http/routes/events.ts';
import { fileRoutes } from './http/routes/files.ts';
import { hookRoutes } from './http/routes/hooks.ts';
import { ingestionRoutes } from './http/routes/ingestions.ts';
import { publisherRoutes } from './http/routes/publishers.ts';
import { recomputeRoutes } from './http/routes/recomputes.ts';
import { runRoutes } from './http/routes/runs.ts';
import { serviceRoutes } from './http/routes/service.ts';
import { statusRoutes } from './http/routes/status.ts';
import { traceRoutes } from './http/routes/trace.ts';
import { buildServer } from './http/server.ts';
import { prepareSpool } from './http/spool.ts';
import { openPools, type Pools, readsAtATime } from './pools.ts';
import { type Components, components } from './ready.ts';
import { openStores, removeOldParts } from './storage.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { observe } from './telemetry/observe.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { checkDaemon } from './upkeep/checks.ts';
import { announce } from './worker/announce.ts';
import { prepareExecution } from './worker/execution.ts';
import { deliverLineage } from './worker/lineage.ts';
import { startWorker, type Worker } from './worker/worker.ts';
import { holdWorkspace } from './worker/workspace.ts';

export interface Daemon {
  readonly url: string;
  /**
   * Replaces the trusted issuers; an empty list trusts nobody.
   *
   * @throws OsaError `usage` for issuers that would have stopped the start
   */
  trust(issuers: TrustedIssuers): void;
  /**
   * Drains: takes no new work, lets running work finish within the drain time, gives the rest back, closes everything.
   * A second call waits for the first.
   */
  close(): Promise<void>;
}

/**
 * Starts database, worker and HTTP server. Everything is wired here and nowhere else.
 *
 * @throws OsaError `usage` (unsafe settings), `conflict` (the database is not migrated, the port is taken),
 * `access_denied` (the role has too many rights), `unavailable`; then nothing keeps running
 */
export async function startDaemon(config: DaemonConfig, { log }: { readonly log: Logger }): Promise<Daemon> {
  requireSafe(config);
  const drainMs = config.drainSeconds * 1_000;
  const state = { draining: false };
  await using stack = new AsyncDisposableStack();
  const pools = openPools(config, stack);
  const { requests, claims, endings } = pools;
  await requireFit(requests, config);
  await prepareDirectories(config);
  if (needsLock(config)) stack.use(await holdWorkspace(config.workDirectory));
  const stores = await openStores(config);
  const { metrics, telemetry } = await observe(config, { pools, log });
  stack.use(telemetry);
  const threads = stack.use(outputThreads({ idle: config.worker.concurrency }));
  const parts = { claims, endings, stores, threads, metrics, telemetry, log };
  const execution = await prepareExecution(config, parts);
  if (config.worker.concurrency > 0) stack.use(await announce(execution, { database: requests, log }));
  const worker = await startWorker({ execution, concurrency: config.worker.concurrency, log });
  if (config.lineage) {
    const { lineage: target, domain } = config;
    const store = postgresStore(requests, { domain });
    stack.use(deliverLineage({ target, store, domain, holder: config.worker.name, log }));
  }
  const stopWork = once(() => worker.drain(drainMs));
  stack.defer(stopWork);
  const own = await ownIssuer(config);
  const verifier = tokenVerifier(withOwn(config.trusted, own.machine));
  const refused = stack.use(refusalLog({ metrics, log }));
  const app = server(config, {
    ...{ verifier, own, refused, pools, stores },
    threads,
    metrics,
    telemetry,
    worker,
    log,
    isDraining: () => state.draining,
  });
  const stopServer = once(() => closeServer(app, drainMs));
  stack.defer(stopServer);
  const forgetting = setInterval(() => void forget(requests, config, log), 3_600_000).unref();
  stack.defer(() => clearInterval(forgetting));
  const url = await listen(app, config);
  report(config, url, log);
  const kept = stack.move();
  const close = once(async () => {
    state.draining = true;
    log.info({ seconds: config.drainSeconds }, 'draining');
    await failpoint('shutdown.sigterm');
    // Both at once: neither needs the other.
    await Promise.all([stopServer(), stopWork()]);
    await kept.disposeAsync();
  });
  const trust = (trusted: TrustedIssuers) => {
    requireSafeIssuers({ mode: config.mode, trusted });
    verifier.trust(withOwn(trusted, own.machine));
  };
  return { url, trust, close };
}

/** Runs `work` at the first call; later calls wait for the same run. */
function once(work: () => Promise<void>): () => Promise<void> {
  let doing: Promise<void> | undefined;
  return () => {
    doing ??= work();
    return doing;
  };
}

async function prepareDirectories({ dataDirectory, workDirectory, runner }: DaemonConfig): Promise<void> {
  try {
    await prepareSpool(spoolOf(dataDirectory));
    if (runner !== 'none') await makeDirectories(workDirectory, 0o755);
  } catch (cause) {
    throw unusableDirectory(dataDirectory, cause);
  }
}

/** In development `--dir` is locked as a whole. */
function needsLock({ mode, runner }: DaemonConfig): boolean {
  return mode === 'production' && runner !== 'none';
}

function spoolOf(dataDirectory: string): string {
  return join(dataDirectory, 'spool');
}

interface ServerNeeds {
  readonly verifier: Verifier;
  readonly refused: RefusalLog;
  readonly own: OwnIssuer;
  readonly pools: Pools;
  readonly stores: Stores;
  readonly threads: OutputThreads;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly worker: Worker;
  readonly log: Logger;
  readonly isDraining: () => boolean;
}

function server(config: DaemonConfig, needs: ServerNeeds): FastifyInstance {
  const { metrics, worker, log, isDraining, verifier, own } = needs;
  const { requests } = needs.pools;
  const limits = { ...httpLimits, ...config.http };
  const store = postgresStore(requests, { domain: config.domain });
  const check = () => components(config, { database: requests, worker, isDraining, log });
  const failed = failedTokens(failureRateLimit(limits.failedAuthentications), needs.refused.tell);
  return buildServer({
    part: config.part,
    isLocal: config.mode === 'development',
    trustedProxies: config.trustedProxies,
    handlers: handlers(config, needs, { check, failed }),
    reads: boundedReads({ limits, most: readsAtATime(config.database) }),
    authenticate: authenticator({
      verifier,
      rolesOf: store.access.rolesOf,
      reads: config.reads,
      failed,
      own: { issuer: own.issuer, isActive: store.publishers.isActive },
      isLoggedIn: store.people.isLoggedIn,
    }),
    denied: store.access.denied,
    limits,
    metrics,
    telemetry: needs.telemetry,
    log,
    isDraining,
  });
}

/** The routes that read have connections of their own. */
function handlers(
  config: DaemonConfig,
  needs: ServerNeeds,
  { check, failed }: { readonly check: () => Promise<Components>; readonly failed: FailedTokens },
): Handlers {
  const { domain } = config;
  const { registries = [] } = config.containers;
  const bulk = postgresStore(needs.pools.uploads, { domain });
  const cancelling = postgresStore(needs.pools.cancellations, { domain });
  const exchangeParts = {
    own: needs.own,
    keys: cachedProviderKeys({ log: needs.log }).keys,
    skewSeconds: config.trusted.clockSkewSeconds,
    now: Date.now,
  };
  const login = loginParts(config, needs.log);
  const on = (database: Database): Handlers => {
    const store = postgresStore(database, { domain });
    const spoolDirectory = spoolOf(config.dataDirectory);
    const { stores, threads } = needs;
    const limits = { ...httpLimits, ...config.http };
    const parts = { store, bulk, cancelling, ...stores, threads, spoolDirectory, ...limits };
    return {
      ...serviceRoutes({
        store,
        version: config.version,
        reads: config.reads,
        metrics: needs.metrics,
        check,
      }),
      ...conventionRoutes({ store, registries }),
      ...blobRoutes(parts),
      ...fileRoutes(parts),
      ...hookRoutes({ ...parts, registries }),
      ...ingestionRoutes(parts),
      ...depositionRoutes(parts),
      ...depositionFormRoutes(parts),
      ...recomputeRoutes(parts),
      ...dataRoutes({ store }),
      ...traceRoutes({ store, config }),
      ...eventRoutes({ store, isDraining: needs.isDraining }),
      ...runRoutes({ store }),
      ...statusRoutes({
        ...{ store, domain, version: config.version, dataDirectory: config.dataDirectory },
        checks: () => checkDaemon(config, needs.pools),
      }),
      ...authRoutes({ verifier: needs.verifier, own: needs.own }),
      ...publisherRoutes({ store, failed, exchange: exchangeParts }),
      ...loginRoutes({ ...login, people: store.people, issuer: peopleIssuer(needs.own), failed }),
    };
  };
  const reading = Object.entries(on(needs.pools.reads)).filter(([name]) => {
    return isBounded(routes[name as RouteName]);
  });
  return { ...on(needs.pools.requests), ...Object.fromEntries(reading) };
}

function report({ worker, runner }: DaemonConfig, url: string, log: Logger): void {
  log.info({ url, worker: worker.name, concurrency: worker.concurrency, runner }, 'listening');
  if (runner === 'none')
    log.warn('no runner is configured: batches with hooks wait for a worker that has one');
}

/** Lets requests finish within `graceMs`, then closes all connections. */
async function closeServer(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  await app.close();
  clearTimeout(timer);
}

async function forget(database: Database, config: DaemonConfig, log: Logger): Promise<void> {
  const forgotten = [forgetOldAnswers(database), forgetOldLogins(database), forgetUploadUse(database)];
  await Promise.all([...forgotten, removeOldParts(config)]).catch((error: unknown) => {
    log.warn(
      { err: error },
      'cannot delete old stored answers, logins or parts of uploads; next try in an hour',
    );
  });
}
