import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { startEmbedded } from '@osa/core/postgres/embedded/embedded';
import { migrate } from '@osa/core/postgres/migrate';
import type { TestProject } from 'vitest/node';

/**
 * The tests' PostgreSQL, once for a run: the server of DATABASE_URL (its user must be allowed to make databases and
 * roles), or an embedded one. A template database is migrated once; each test file clones it.
 */
export interface TestCluster {
  /** URL of the owner; its database is replaced by the wanted one. */
  readonly ownerUrl: string;
  readonly appRole: string;
  readonly appPassword: string;
  readonly template: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    cluster: TestCluster;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, stop } = await openServer(process.env.DATABASE_URL);
  const run = randomBytes(4).toString('hex');
  const cluster: TestCluster = {
    ownerUrl: url,
    appRole: `osa_test_${run}`,
    appPassword: randomBytes(16).toString('hex'),
    template: `osa_test_${run}_template`,
  };
  const admin = connect({ url, max: 1, applicationName: 'osa tests', statementTimeoutMs: 0 });
  await admin.sql.unsafe(`create database "${cluster.template}"`);
  await migrateTemplate(cluster);
  await admin.sql.unsafe(`alter role "${cluster.appRole}" login password '${cluster.appPassword}'`);
  project.provide('cluster', cluster);
  return async () => {
    const left = await admin.sql<{ datname: string }[]>`
      select datname from pg_database where datname like ${`osa_test_${run}_%`}`;
    for (const { datname } of left) await admin.sql.unsafe(`drop database "${datname}" with (force)`);
    await admin.sql.unsafe(`drop role "${cluster.appRole}"`);
    await admin.close();
    await stop();
  };
}

export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

async function migrateTemplate({ ownerUrl, template, appRole }: TestCluster): Promise<void> {
  const owner = connect({ url: withDatabase(ownerUrl, template), max: 1, applicationName: 'osa tests' });
  await migrate(owner, { appRole });
  await owner.close();
}

async function openServer(given: string | undefined): Promise<{ url: string; stop: () => Promise<void> }> {
  if (given) return { url: given, stop: async () => undefined };
  const directory = await mkdtemp(join(tmpdir(), 'osa-tests-'));
  const server = await startEmbedded({ directory, settings: { max_connections: '300', fsync: 'off' } });
  const { host, port, username, database } = server.connection;
  const url = `postgres://${username}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  return {
    url,
    stop: async () => {
      await server.stop('immediate');
      await server.remove();
      await rm(directory, { recursive: true });
    },
  };
}
