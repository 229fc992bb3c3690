import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { type EmbeddedPostgres, startEmbedded } from '@osa/core/postgres/embedded/embedded';
import { migrate } from '@osa/core/postgres/migrate';
import type { Migration } from '@osa/core/postgres/migrations/index';

/** A PostgreSQL of the harness's own, which runs may stop, with one migrated template that each run clones. */
export interface Cluster {
  /** The unix socket. */
  readonly socket: { readonly directory: string; readonly port: number };
  /** Stops the server and waits until it is up again. */
  restart(mode: 'fast' | 'immediate'): Promise<void>;
  clone(name: string): Promise<void>;
  drop(name: string): Promise<void>;
  /** Connects as the superuser, straight to the server, so that no fault of the network meets it. */
  open(name: string, max?: number): Database;
  close(): Promise<void>;
}

export const appRole = 'osa_crash_app';
const template = 'crash_template';

export async function startCluster(directory: string, migrations: readonly Migration[]): Promise<Cluster> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const server = await startEmbedded({
    directory,
    settings: { max_connections: '200', fsync: 'off', deadlock_timeout: '200ms', shared_buffers: '32MB' },
  });
  const open = (database: string, max = 2) =>
    connect({ url: { ...server.connection, database }, max, applicationName: 'osa crash' });
  await prepare(server, open, migrations);
  const administer = async (statement: string) => {
    const admin = open('postgres', 1);
    try {
      await admin.sql.unsafe(statement);
    } finally {
      await admin.close();
    }
  };
  const { host, port } = server.connection;
  return {
    socket: { directory: host, port },
    restart: (mode) => server.restart(mode),
    clone: (name) => administer(`create database "${name}" template "${template}"`),
    drop: (name) => administer(`drop database "${name}" with (force)`),
    open,
    async close() {
      await server.stop('immediate');
      await server.remove();
      await rm(join(directory), { recursive: true, force: true });
    },
  };
}

async function prepare(
  server: EmbeddedPostgres,
  open: (name: string) => Database,
  migrations: readonly Migration[],
): Promise<void> {
  const admin = open(server.connection.database);
  await admin.sql.unsafe(`create database ${template}`);
  const owner = open(template);
  await migrate(owner, { appRole, migrations });
  await owner.close();
  await admin.sql.unsafe(`alter role ${appRole} login`);
  await admin.close();
}
