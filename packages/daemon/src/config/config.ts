import { availableParallelism, hostname, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import { valueAt } from '@osa/core/convention/manifest/problems';
import type { Path } from '@osa/core/convention/manifest/yaml';
import { OsaError } from '@osa/core/error';
import { MemoryText, memoryBytes } from '@osa/core/hook/release';
import { bounds } from '@osa/core/limits';
import type { Endpoint } from '@osa/core/postgres/connection/connect';
import { type RunnerSetting, runnerSettings } from '@osa/core/runners/index';
import { excerpt } from '@osa/core/text';
import { z } from 'zod';
import type { HttpLimits } from '../http/limits.ts';
import { isNetwork } from '../http/network.ts';
import { type LogLevel, logLevels } from '../log.ts';
import { workspaceName } from '../worker/workspace.ts';
import { issuerSettings, issuersOf, issuerVariables, trustedIssuers } from './issuers.ts';
import { required } from './named-file.ts';
import { readSettingsFile, settingText } from './yaml-file.ts';

/** All that a daemon is told; `startDaemon` reads nothing else. */
export interface DaemonConfig {
  readonly mode: 'development' | 'production';
  /** Whether it answers requests, runs batches, or both. A worker still tells how it is. */
  readonly part: Part;
  readonly version: string;
  readonly database: {
    readonly url: string | Endpoint;
    /** Connections for requests; the worker has its own, so that neither can starve the other. */
    readonly connections: number;
  };
  /** The second part of every SRN. */
  readonly domain: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Blobs, and uploads on their way. */
  readonly dataDirectory: string;
  /** Below it, each attempt of a hook has its directory. No other daemon may use it. */
  readonly workDirectory: string;
  readonly reads: 'public' | 'authenticated';
  /** Addresses and networks of proxies, which say in X-Forwarded-For for whom they ask. */
  readonly trustedProxies: readonly string[];
  /** Whose tokens are accepted, to begin with. */
  readonly trusted: TrustedIssuers;
  /** What starts hooks: packed directories as processes, images through a container engine, or nothing. */
  readonly runner: RunnerName;
  readonly containers: {
    /** Options of the engine itself, before its command, such as `--cgroup-manager`. */
    readonly engineOptions: readonly string[];
    readonly pullSeconds: number;
  };
  /** What an attempt may have at most, however often it ran out of memory. */
  readonly maxHookMemoryBytes: number;
  readonly worker: {
    readonly name: string;
    /** Whether a daemon that died before this one had the same name, so that its batches are ours to give back. */
    readonly isInherited: boolean;
    /** Batches at once; 0 runs none. */
    readonly concurrency: number;
    /** Of these, how many of one hook. */
    readonly perHook: number;
    readonly leaseSeconds: number;
  };
  readonly drainSeconds: number;
  /** What a runner may pass on from. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where tests cannot wait as long as people must. */
  readonly http?: Partial<HttpLimits>;
}

export const parts = ['all', 'server', 'worker'] as const;
export type Part = (typeof parts)[number];

export type RunnerName = RunnerSetting | 'none';

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const domain = z
  .string()
  .max(200)
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    'must be a lower-case domain name',
  );

/** The settings as the file names them; in the environment each is `OSA_` and its name in capitals. */
const Shape = z.strictObject({
  database_url: z.string().optional(),
  database_connections: whole(1, 500).default(10),
  domain: domain.optional(),
  host: z.string().min(1).default('127.0.0.1'),
  port: whole(0, 65_535).default(8470),
  data_dir: z.string().min(1).optional(),
  reads: z.enum(['public', 'authenticated']).default('public'),
  trusted_proxies: z
    .string()
    .max(10_000)
    .default('')
    .transform((text) => text.split(/[\s,]+/).filter(Boolean))
    .refine((networks) => networks.every(isNetwork), 'must be addresses or networks, such as 10.0.0.0/8'),
  runner: z.enum([...runnerSettings, 'none']).optional(),
  engine_options: z
    .string()
    .max(1_000)
    .default('')
    .transform((text) => text.split(/\s+/).filter(Boolean)),
  pull_timeout_seconds: whole(1, 86_400).default(bounds.pullMs / 1_000),
  max_hook_memory: MemoryText.default(`${totalmem()}`).transform(memoryBytes),
  part: z.enum(parts).default('all'),
  worker_concurrency: whole(1, 256).default(Math.min(availableParallelism(), 8) + 1),
  worker_per_hook: whole(1, 256).optional(),
  lease_seconds: whole(1, 3_600).default(30),
  drain_seconds: whole(0, 3_600).default(20),
  log_level: z.enum(logLevels).optional(),
  ...issuerSettings,
});
export const settingNames: readonly string[] = Object.keys(Shape.shape);

export interface Settings extends z.infer<typeof Shape> {
  /** How the setting at a path was written: `OSA_PORT`, or `osad.yaml: port`. For refusals. */
  readonly nameOf: (path: Path) => string;
}

/** The one place that looks at the process's environment. */
export function systemEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/**
 * The settings of the environment and, below them, of the file. An empty variable counts as none.
 *
 * @throws OsaError `usage` that names the setting as it was written
 */
export function readSettings(environment: NodeJS.ProcessEnv, file = environment.OSA_CONFIG_FILE): Settings {
  const fromFile = file ? readSettingsFile(file, isSecret) : {};
  const fromEnvironment = Object.fromEntries(
    settingNames
      .filter((key) => key !== 'issuers' && environment[variableOf([key])])
      .map((key) => [key, environment[variableOf([key])]]),
  );
  const issuers = issuersOf(environment);
  const all = { ...fromFile, ...fromEnvironment, ...(issuers && { issuers }) };
  const nameOf = (path: Path): string => {
    const [key = ''] = path.map(String);
    const isVariable = Object.hasOwn(fromEnvironment, key) || (key === 'issuers' && issuers !== undefined);
    return isVariable || file === undefined ? variableOf(path) : `${file}: ${settingText(path)}`;
  };
  const parsed = Shape.safeParse(all);
  if (parsed.success) return { ...parsed.data, nameOf };
  const [issue] = parsed.error.issues;
  const path =
    issue?.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : (issue?.path ?? []);
  const rule = issue?.code === 'unrecognized_keys' ? 'is not a setting' : (issue?.message ?? 'is not valid');
  throw wrongSetting(nameOf(path), isSecret(path) ? undefined : valueAt(all, path), rule);
}

export interface ProductionOptions {
  readonly version: string;
  readonly settings: Settings;
  readonly environment: NodeJS.ProcessEnv;
}

const databaseUrlIs = 'the URL of the database, as the role of the daemon (to try osa out: osad --dev)';

/** @throws OsaError `usage` for a setting that is missing, `credentials` for a key that cannot be read */
export async function productionConfig(options: ProductionOptions): Promise<DaemonConfig> {
  const { settings, environment, version } = options;
  const url = required(settings.database_url, 'DATABASE_URL', databaseUrlIs);
  const ownDomain = required(settings.domain, 'OSA_DOMAIN', 'the domain that stands in every record’s name');
  const dataDirectory = resolve(
    required(settings.data_dir, 'OSA_DATA_DIR', 'a directory for uploaded files'),
  );
  const name = `${hostname()}:${process.pid}:${crypto.randomUUID().slice(0, 8)}`;
  return {
    mode: 'production',
    part: settings.part,
    version,
    database: { url, connections: settings.database_connections },
    domain: ownDomain,
    host: settings.host,
    port: settings.port,
    dataDirectory,
    workDirectory: join(dataDirectory, 'work', workspaceName()),
    reads: settings.reads,
    trustedProxies: settings.trusted_proxies,
    trusted: await trustedIssuers(settings, ownDomain),
    runner: settings.runner ?? 'none',
    ...limitsOfHooks(settings),
    worker: { name, isInherited: false, ...workerSettings(settings) },
    drainSeconds: settings.drain_seconds,
    environment,
  };
}

/** One slot more than a hook may take is left for the others, so that a slow one does not hold them up. */
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

export function limitsOfHooks(settings: Settings): Pick<DaemonConfig, 'containers' | 'maxHookMemoryBytes'> {
  const { engine_options: engineOptions, pull_timeout_seconds: pullSeconds, max_hook_memory } = settings;
  return { containers: { engineOptions, pullSeconds }, maxHookMemoryBytes: max_hook_memory };
}

/** In development only what needs a look is told. */
export function logLevelOf(settings: Settings, isDev: boolean): LogLevel {
  return settings.log_level ?? (isDev ? 'warn' : 'info');
}

/** The database's owner, for `osad migrate`. @throws OsaError `usage` */
export function ownerUrl(environment: NodeJS.ProcessEnv, option: string | undefined): string {
  const url = option ?? (environment.OSA_OWNER_DATABASE_URL || environment.DATABASE_URL);
  return required(
    url,
    'OSA_OWNER_DATABASE_URL',
    'the URL of the database, as its owner (or give --database)',
  );
}

export function appRole(environment: NodeJS.ProcessEnv): string {
  return environment.OSA_APP_ROLE || 'osa_app';
}

/** The variable of a setting; the one issuer of the environment has several. */
function variableOf([key = '', , member]: Path): string {
  if (key === 'database_url') return 'DATABASE_URL';
  if (key === 'issuers') return issuerVariables[String(member)] ?? 'OSA_ISSUER';
  return `OSA_${String(key).toUpperCase()}`;
}

/** A URL and a key are secrets, or hold one; so may be what stands under a name that is misspelt. */
function isSecret([key = '']: Path): boolean {
  const secrets = ['database_url', 'issuers', 'primary_secret'];
  return secrets.includes(String(key)) || !Object.hasOwn(Shape.shape, key);
}

function wrongSetting(name: string, value: unknown, rule: string): OsaError {
  const shown = value === undefined ? '' : `${excerpt(value)}: `;
  return new OsaError('usage', `${name}: ${shown}${rule.replace(/^Invalid input: /, '')}`, { field: name });
}
