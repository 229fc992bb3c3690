import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import { OsaError } from '@osa/core/error';
import type { Endpoint } from '@osa/core/postgres/connection/connect';
import type { RunnerSetting } from '@osa/core/runners/index';
import type { HttpLimits } from '../http/limits.ts';
import type { LogLevel } from '../log.ts';
import type { TelemetryTarget } from '../telemetry/telemetry.ts';
import type { LineageTarget } from '../worker/lineage.ts';
import { workspaceName } from '../worker/workspace.ts';
import { trustedIssuers } from './issuers.ts';
import { type LoginConfig, loginOf } from './login.ts';
import { required, secretText } from './named-file.ts';
import { telemetryOf } from './operation-settings.ts';
import type { Settings } from './read-settings.ts';
import type { Part } from './settings.ts';
import { type S3Storage, storageOf } from './storage.ts';

/** The whole configuration of a daemon; `startDaemon` reads nothing else. */
export interface DaemonConfig {
  readonly mode: 'development' | 'production';
  /** Whether it serves requests, runs batches, or both. A worker still serves `/health`, `/ready` and `/metrics`. */
  readonly part: Part;
  readonly version: string;
  readonly database: {
    readonly url: string | Endpoint;
    /** Connections for requests. The worker has its own, so that neither can starve the other. */
    readonly connections: number;
    /** Connections for reads, which nothing else uses. */
    readonly readConnections?: number;
  };
  /** The second part of every SRN. */
  readonly domain: string;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** For blobs, and for uploads while they arrive. */
  readonly dataDirectory: string;
  /** The key that signs tokens of CI jobs; by default one of the data directory, which is made. */
  readonly exchangeKey?: { readonly text: string; readonly name: string } | undefined;
  /** How people log in; undefined where they do not. */
  readonly login?: LoginConfig | undefined;
  /** Where blobs are instead, if they are not in the data directory. */
  readonly storage?: S3Storage | undefined;
  /** Each attempt of a hook has a directory in it. No other daemon may use it. */
  readonly workDirectory: string;
  readonly reads: 'public' | 'authenticated';
  /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** The issuers that are trusted at start. */
  readonly trusted: TrustedIssuers;
  /** How hooks run: directories as processes, images in a container engine, or not at all. */
  readonly runner: RunnerName;
  readonly containers: {
    /** Options of the engine itself, before its command, such as `--cgroup-manager`. */
    readonly engineOptions: readonly string[];
    /** The OCI runtime that is taken on the operator's word. */
    readonly acceptedRuntime?: string | undefined;
    readonly pullSeconds: number;
    /** Where images may come from; anywhere if there is none. */
    readonly registries?: readonly string[];
  };
  /** The most memory of an attempt, however often it has run out. */
  readonly maxHookMemoryBytes: number;
  readonly worker: {
    readonly name: string;
    /** Whether an earlier, dead daemon had the same name, so that its batches must be given back. */
    readonly isInherited: boolean;
    /** Batches at a time; 0 runs none. */
    readonly concurrency: number;
    /** Batches at a time that may run the same hook. */
    readonly perHook: number;
    readonly leaseSeconds: number;
  };
  readonly drainSeconds: number;
  /** Where the events of runs are delivered, as OpenLineage. */
  readonly lineage?: LineageTarget | undefined;
  /** Where traces and metrics are sent, by OTLP. */
  readonly telemetry?: TelemetryTarget | undefined;
  /** A runner passes on some of these variables. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where they differ from the usual limits. */
  readonly http?: Partial<HttpLimits>;
}

export type RunnerName = RunnerSetting | 'none';

/** The only place that reads the process's environment. */
export function systemEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

export interface ProductionOptions {
  readonly version: string;
  readonly settings: Settings;
  readonly environment: NodeJS.ProcessEnv;
}

const databaseUrlIs = 'the URL of the database, with the application’s role (to try osa out: osad --dev)';

/** @throws OsaError `usage` for a setting that is missing, `credentials` for a key that cannot be read */
export async function productionConfig(options: ProductionOptions): Promise<DaemonConfig> {
  const { settings, environment, version } = options;
  const url = databaseUrl(settings);
  const ownDomain = required(
    settings.domain,
    'OSA_DOMAIN',
    'the domain of the archive, which is part of every record’s name',
  );
  const dataDirectory = resolve(
    required(settings.data_dir, 'OSA_DATA_DIR', 'a directory for uploaded files'),
  );
  const name = `${hostname()}:${process.pid}:${crypto.randomUUID().slice(0, 8)}`;
  return {
    mode: 'production',
    part: settings.part,
    version,
    database: { url, ...connectionsOf(settings) },
    http: httpSettings(settings),
    domain: ownDomain,
    host: settings.host,
    port: settings.port,
    dataDirectory,
    exchangeKey: exchangeKeyOf(settings),
    login: loginOf(settings, `https://${ownDomain}`),
    storage: storageOf(settings),
    workDirectory: join(dataDirectory, 'work', workspaceName()),
    reads: settings.reads,
    trustedProxies: settings.trusted_proxies,
    trusted: await trustedIssuers(settings, ownDomain),
    runner: settings.runner ?? 'none',
    ...limitsOfHooks(settings),
    worker: { name, isInherited: false, ...workerSettings(settings) },
    drainSeconds: settings.drain_seconds,
    lineage: lineageOf(settings),
    telemetry: telemetryOf(settings),
    environment,
  };
}

function databaseUrl({ database_url: url, database_url_file: file, nameOf }: Settings): string {
  if (url !== undefined && file !== undefined) {
    const name = nameOf(['database_url_file']);
    throw new OsaError('usage', `${name}: ${nameOf(['database_url'])} is set as well; set only one of them`, {
      field: name,
    });
  }
  if (file === undefined) return required(url, 'DATABASE_URL', databaseUrlIs);
  return secretText(file, nameOf(['database_url_file']), databaseUrlIs);
}

/** @throws OsaError `usage` for a file that cannot be read, or that others can */
export function exchangeKeyOf({ exchange_key_file: file, nameOf }: Settings): DaemonConfig['exchangeKey'] {
  if (file === undefined) return undefined;
  const name = nameOf(['exchange_key_file']);
  return { name, text: secretText(file, name, 'a private key') };
}

/** By default one slot stays free for other hooks, so that a slow hook does not block them. */
export function workerSettings(
  settings: Settings,
): Pick<DaemonConfig['worker'], 'concurrency' | 'perHook' | 'leaseSeconds'> {
  const { part, worker_concurrency, worker_per_hook, lease_seconds } = settings;
  return {
    concurrency: part === 'server' ? 0 : worker_concurrency,
    perHook: worker_per_hook ?? Math.max(1, worker_concurrency - 1),
    leaseSeconds: lease_seconds,
  };
}

export function connectionsOf(settings: Settings): Omit<DaemonConfig['database'], 'url'> {
  return { connections: settings.database_connections, readConnections: settings.read_connections };
}

export function httpSettings(settings: Settings): Partial<HttpLimits> {
  return {
    connections: settings.max_connections,
    connectionsPerAddress: settings.max_connections_per_address,
    anonymousRequests: settings.anonymous_requests_per_minute,
    anonymousRows: settings.anonymous_rows_per_minute,
    anonymousBytes: settings.anonymous_megabytes_per_minute * 2 ** 20,
    uploadBytesPerDay: settings.upload_gigabytes_per_day * 2 ** 30,
  };
}

export function lineageOf(settings: Settings): LineageTarget | undefined {
  const { openlineage_url: url, openlineage_api_key: apiKey } = settings;
  return url === undefined ? undefined : { url, apiKey };
}

export function limitsOfHooks(settings: Settings): Pick<DaemonConfig, 'containers' | 'maxHookMemoryBytes'> {
  const { engine_options: engineOptions, pull_timeout_seconds: pullSeconds, max_hook_memory } = settings;
  const { image_registries: registries, accepted_runtime: acceptedRuntime } = settings;
  const containers = { engineOptions, acceptedRuntime, pullSeconds, registries };
  return { containers, maxHookMemoryBytes: max_hook_memory };
}

/** Development logs warnings and errors only. */
export function logLevelOf(settings: Settings, isDev: boolean): LogLevel {
  return settings.log_level ?? (isDev ? 'warn' : 'info');
}

const ownerUrlIs = 'the URL of the database, with its owner’s role (or give --database)';

/** The URL of the database with its owner's role, for commands that are not a daemon's. @throws OsaError `usage` */
export function ownerUrl(environment: NodeJS.ProcessEnv, option: string | undefined): string {
  const { OSA_OWNER_DATABASE_URL: own, OSA_OWNER_DATABASE_URL_FILE: file, DATABASE_URL } = environment;
  const url = option || own;
  if (!url && file) return secretText(file, 'OSA_OWNER_DATABASE_URL_FILE', ownerUrlIs);
  return required(url || DATABASE_URL, 'OSA_OWNER_DATABASE_URL', ownerUrlIs);
}

export function appRole(environment: NodeJS.ProcessEnv): string {
  return environment.OSA_APP_ROLE || 'osa_app';
}
