import { access, constants } from 'node:fs/promises';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Database } from '@osa/core/postgres/connection/connect';
import { excessRights, requireDurable, requireMigrated } from '@osa/core/postgres/migrate';
import { databaseFacts, sharesSessions } from '@osa/core/postgres/status/checks';
import { makeRunners } from '@osa/core/runners/index';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import type { DaemonConfig } from '../config/config.ts';
import { requireSafe } from '../config/start-checks.ts';
import { diskOf } from '../http/routes/status.ts';

/** One thing that was looked at, and what to do where it is wrong. */
export interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  /** Null where all is well, and also, with `ok` false, where it could not be looked at. */
  readonly hint: string | null;
}

/** Gives the detail; throws what is wrong. */
type Look = () => Promise<string>;

type Named = readonly [check: string, hint: string, look: Look];

/** Looks at each part that a daemon needs on its own, so that one fault hides no other; without a database, at the rest. */
export async function checkDaemon(
  config: DaemonConfig,
  { requests, reads }: { readonly requests: Database; readonly reads: Database },
): Promise<Check[]> {
  const before: readonly Named[] = [['settings', 'osad --help lists them', async () => safe(config)]];
  const inDatabase: readonly Named[] = [
    ['migrations', 'run osad migrate with the URL of the owner', () => migrated(requests)],
    ['role', 'connect as the role that osad migrate names', () => fitRole(config, requests)],
    ['commits', 'alter role … reset synchronous_commit', () => durable(requests)],
    [
      'sessions',
      'give osad the URL of PostgreSQL itself, or pool_mode = session',
      () => sessions(requests, reads),
    ],
    ['clock', 'run an NTP client on both machines', () => clock(requests)],
    ['statistics', 'run vacuum analyze, and look why autovacuum does not', () => statistics(requests)],
  ];
  const after: readonly Named[] = [
    ['data', 'make the directory of OSA_DATA_DIR writable for the user of osad', () => dataDirectory(config)],
    ['runner', 'install the engine of OSA_RUNNER', () => runner(config)],
    ['issuers', 'osa keys generate prints the settings', async () => issuers(config)],
  ];
  const each = (looks: readonly Named[]) => Promise.all(looks.map(checked));
  const [first, reached, last] = await Promise.all([each(before), database(requests), each(after)]);
  const then = reached.ok ? await each(inDatabase) : inDatabase.map(([check]) => notLookedAt(check));
  return [...first, reached, ...then, ...last];
}

function database(requests: Database): Promise<Check> {
  const look = async () => `PostgreSQL ${(await databaseFacts(requests)).version}`;
  return checked(['database', 'start it, or repair DATABASE_URL', look]);
}

function notLookedAt(check: string): Check {
  return { check, ok: false, detail: 'not looked at: the database cannot be reached', hint: null };
}

async function checked([check, hint, look]: Named): Promise<Check> {
  try {
    return { check, ok: true, detail: await look(), hint: null };
  } catch (error) {
    const detail = asOsaError(error)?.message ?? (error instanceof Error ? error.message : String(error));
    return { check, ok: false, detail: detail.replace(/\/\/[^@/\s]*@/g, '//…@'), hint };
  }
}

function safe(config: DaemonConfig): string {
  requireSafe(config);
  return `mode ${config.mode}, part ${config.part}, domain ${config.domain}`;
}

async function migrated(database: Database): Promise<string> {
  await requireMigrated(database);
  return 'all are applied';
}

async function fitRole({ mode }: DaemonConfig, database: Database): Promise<string> {
  const reasons = mode === 'development' ? [] : await excessRights(database);
  if (reasons.length > 0) throw new OsaError('access_denied', reasons.join(', and '));
  return mode === 'development' ? 'not looked at in development' : 'it cannot rewrite history';
}

async function durable(database: Database): Promise<string> {
  await requireDurable(database);
  return 'they wait for the disk';
}

async function sessions(requests: Database, reads: Database): Promise<string> {
  if (await sharesSessions(requests, reads)) {
    throw new OsaError(
      'conflict',
      'a pooler gives one session to several connections (pool_mode = transaction)',
    );
  }
  return 'each connection has its own';
}

const mostOffsetMs = 5_000;

async function clock(database: Database): Promise<string> {
  const asked = Date.now();
  const { now } = await databaseFacts(database);
  const offset = Date.parse(now) - (asked + Date.now()) / 2;
  const seconds = Math.round(offset / 100) / 10;
  if (Math.abs(offset) > mostOffsetMs)
    throw new OsaError('conflict', `the database is ${seconds} s ahead of osad`);
  return `the database is ${seconds} s ahead`;
}

async function statistics(database: Database): Promise<string> {
  const { unanalysed } = await databaseFacts(database);
  if (unanalysed.length > 0) {
    throw new OsaError('conflict', `large tables have none of the last month: ${unanalysed.join(', ')}`);
  }
  return 'large tables have statistics of the last month';
}

async function dataDirectory({ dataDirectory: path }: DaemonConfig): Promise<string> {
  await access(path, constants.W_OK | constants.X_OK);
  const { free_bytes, total_bytes } = await diskOf(path);
  const percent = Math.round((100 * free_bytes) / Math.max(1, total_bytes));
  if (percent < 5) throw new OsaError('conflict', `${path} has ${percent} % free`);
  return `${path}, ${percent} % free`;
}

async function runner({ runner: setting, ...config }: DaemonConfig): Promise<string> {
  const made = await makeRunners(setting, {
    isDevelopment: config.mode === 'development',
    blobs: filesystemBlobs(config.dataDirectory),
    environment: config.environment,
    engineOptions: config.containers.engineOptions,
    acceptedRuntime: config.containers.acceptedRuntime,
    requiresSafeRuntime: config.mode === 'production',
    registries: config.containers.registries ?? [],
    pullTimeoutMs: config.containers.pullSeconds * 1_000,
    warn: (message) => {
      throw new OsaError('conflict', message);
    },
  });
  const names = made.map(({ name, runtimes }) => `${name} (${runtimes.join(', ')})`);
  return names.length === 0 ? 'none: batches with hooks wait for a worker that has one' : names.join(', ');
}

function issuers({ trusted }: DaemonConfig): string {
  const names = trusted.machines.map(({ issuer }) => issuer);
  const all = trusted.primary ? [...names, 'people'] : names;
  if (all.length === 0) throw new OsaError('usage', 'nobody is trusted');
  return all.join(', ');
}
