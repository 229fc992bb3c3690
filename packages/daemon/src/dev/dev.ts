import { join, resolve } from 'node:path';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import type { Endpoint } from '@osa/core/postgres/connection/connect';
import { prepareDevelopmentDatabase } from '@osa/core/postgres/embedded/development';
import { startEmbedded } from '@osa/core/postgres/embedded/embedded';
import type { Logger } from 'pino';
import {
  connectionsOf,
  type DaemonConfig,
  httpSettings,
  limitsOfHooks,
  lineageOf,
  workerSettings,
} from '../config/config.ts';
import { trustedIssuers } from '../config/issuers.ts';
import { loginOf } from '../config/login.ts';
import { telemetryOf } from '../config/operation-settings.ts';
import type { Settings } from '../config/read-settings.ts';
import { requireSafe } from '../config/start-checks.ts';
import { storageOf } from '../config/storage.ts';
import type { Daemon } from '../daemon.ts';
import { announceDaemon, makeDirectory, ownIssuer, withdrawDaemon, workerName } from './directory.ts';
import { lockDirectory } from './lock.ts';

export interface DevOptions {
  readonly version: string;
  /** Created if missing; relative to the working directory. */
  readonly directory: string;
  /** Use a directory that this user has not made with `osad --dev` here, such as a copy. */
  readonly adopt: boolean;
  /** Overrides the setting; 0 takes a free port. */
  readonly port?: number | undefined;
  /** The URL of a migrated database, with the application's role, instead of the embedded server. */
  readonly database?: string | undefined;
  /** By default `<directory>/data`. */
  readonly data?: string | undefined;
  readonly settings: Settings;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Starts a daemon that needs nothing installed: an embedded PostgreSQL, the process runner, and its own trusted key, all
 * in one directory, which it locks.
 *
 * @throws OsaError `conflict` (the directory or the port is taken), `usage`, `unavailable`; then nothing keeps running
 */
export async function startDev(options: DevOptions, { log }: { readonly log: Logger }): Promise<Daemon> {
  await using stack = new AsyncDisposableStack();
  const directory = await makeDirectory(resolve(options.directory), options);
  stack.use(await lockDirectory(directory));
  // A file that is still there is from a daemon that died.
  await withdrawDaemon(directory);
  const config = await devConfig(options, directory);
  requireSafe(config);
  // The database server starts while the code of the daemon is loaded.
  const [url, { startDaemon }] = await Promise.all([
    options.database ?? embeddedDatabase(directory, stack, log),
    import('../daemon.ts'),
  ]);
  const database = { url, ...connectionsOf(options.settings) };
  const daemon = await startDaemon({ ...config, database }, { log });
  stack.defer(() => daemon.close());
  await announceDaemon(directory, daemon.url);
  stack.defer(() => withdrawDaemon(directory));
  const kept = stack.move();
  let closing: Promise<void> | undefined;
  return {
    url: daemon.url,
    trust: daemon.trust,
    close() {
      closing ??= kept.disposeAsync();
      return closing;
    },
  };
}

async function embeddedDatabase(
  directory: string,
  stack: AsyncDisposableStack,
  log: Logger,
): Promise<Endpoint> {
  const server = await startEmbedded({ directory, log: (line) => log.info(line) });
  stack.defer(() => server.stop());
  return prepareDevelopmentDatabase(server.connection);
}

/** The directory's own issuer, and those of the settings. */
export async function devIssuers(settings: Settings, directory: string): Promise<TrustedIssuers> {
  const trusted = await trustedIssuers(settings, settings.domain ?? 'localhost');
  return { ...trusted, machines: [await ownIssuer(directory), ...trusted.machines] };
}

async function devConfig(
  { version, port, data, settings, environment }: DevOptions,
  directory: string,
): Promise<Omit<DaemonConfig, 'database'>> {
  return {
    mode: 'development',
    part: settings.part,
    version,
    domain: settings.domain ?? 'localhost',
    host: settings.host,
    port: port ?? settings.port,
    dataDirectory: resolve(data ?? settings.data_dir ?? join(directory, 'data')),
    login: loginOf(settings, `http://127.0.0.1:${port ?? settings.port}`),
    storage: storageOf(settings),
    workDirectory: join(directory, 'work'),
    reads: settings.reads,
    // Only this machine can connect, and a web page could forge the header.
    trustedProxies: [],
    trusted: await devIssuers(settings, directory),
    runner: settings.runner ?? 'process',
    ...limitsOfHooks(settings),
    http: httpSettings(settings),
    worker: { name: await workerName(directory), isInherited: true, ...workerSettings(settings) },
    drainSeconds: settings.drain_seconds,
    lineage: lineageOf(settings),
    telemetry: telemetryOf(settings),
    environment,
  };
}
