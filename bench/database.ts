import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { startEmbedded } from '@osa/core/postgres/embedded/embedded';
import { migrate } from '@osa/core/postgres/migrate';

/** A migrated database of its own, which is gone after `close`. */
export interface BenchDatabase {
  /** URL of the application's role, which is what the daemon uses. */
  readonly appUrl: string;
  /** URL of the owner. */
  readonly ownerUrl: string;
  /** One connection of the owner, to take checkpoints and to read what was stored. */
  readonly owner: Database;
  /** Such as `PostgreSQL 18.4, embedded, fsync on, synchronous_commit on`. */
  readonly server: string;
  /**
   * Brings the server to where it is after a while: statistics that fit, no dirty pages, log files to reuse. Else
   * what is timed pays for what came before it.
   */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/**
 * On the server of DATABASE_URL (its user must be allowed to make databases and roles), or on an embedded one with
 * the settings that it has for everybody: what is committed is on the disk.
 */
export async function benchDatabase(): Promise<BenchDatabase> {
  const given = process.env.DATABASE_URL;
  const place = given ? { url: given, stop: async () => undefined } : await startServer();
  const name = `osa_bench_${randomBytes(4).toString('hex')}`;
  const admin = connect({ url: place.url, max: 1, applicationName: 'osa bench', statementTimeoutMs: 0 });
  await admin.sql.unsafe(`create database "${name}"`);
  const ownerUrl = withDatabase(place.url, name);
  const owner = connect({ url: ownerUrl, max: 1, applicationName: 'osa bench', statementTimeoutMs: 0 });
  await migrate(owner, { appRole: name });
  const mayCheckpoint = await isSuperuser(owner);
  const password = randomBytes(16).toString('hex');
  await admin.sql.unsafe(`alter role "${name}" login password '${password}'`);
  const appUrl = new URL(ownerUrl);
  appUrl.username = name;
  appUrl.password = password;
  return {
    appUrl: appUrl.href,
    ownerUrl,
    owner,
    server: `${await describeServer(owner)}${given ? '' : ', embedded'}`,
    async settle() {
      if (mayCheckpoint) await owner.sql`checkpoint`;
    },
    async close() {
      await owner.close();
      await admin.sql.unsafe(`drop database "${name}" with (force)`);
      await admin.sql.unsafe(`drop role "${name}"`);
      await admin.close();
      await place.stop();
    },
  };
}

async function startServer(): Promise<{ url: string; stop: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  const server = await startEmbedded({ directory });
  const { host, port, username, database } = server.connection;
  return {
    url: `postgres://${username}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`,
    async stop() {
      await server.stop('immediate');
      await server.remove();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function describeServer({ sql }: Database): Promise<string> {
  const [row] = await sql<{ text: string }[]>`
    select format('PostgreSQL %s, fsync %s, synchronous_commit %s', current_setting('server_version'),
                  current_setting('fsync'), current_setting('synchronous_commit')) as text`;
  return row?.text ?? '';
}

async function isSuperuser({ sql }: Database): Promise<boolean> {
  const [row] = await sql<
    { rolsuper: boolean }[]
  >`select rolsuper from pg_roles where rolname = current_user`;
  return row?.rolsuper === true;
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
