import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Principal } from '@osa/core/auth/principal';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { inject } from 'vitest';
import { withDatabase } from './cluster.ts';

/** A database of its own for one test file, cloned from the migrated template. */
export interface TestDatabase {
  readonly ownerUrl: string;
  /** The URL of the application's role, which is what the daemon uses. */
  readonly appUrl: string;
  /** Opens a pool that `close` ends. */
  open(url: string, options?: { readonly max?: number }): Database;
  close(): Promise<void>;
}

export async function testDatabase(): Promise<TestDatabase> {
  const { ownerUrl, appRole, appPassword, template } = inject('cluster');
  const name = `${template.replace('_template', '')}_${randomBytes(4).toString('hex')}`;
  const admin = connect({ url: ownerUrl, max: 1, applicationName: 'osa tests', lockTimeoutMs: 30_000 });
  await admin.sql.unsafe(`create database "${name}" template "${template}"`);
  const pools: Database[] = [];
  const appUrl = new URL(withDatabase(ownerUrl, name));
  appUrl.username = appRole;
  appUrl.password = appPassword;
  return {
    ownerUrl: withDatabase(ownerUrl, name),
    appUrl: appUrl.href,
    open(url, { max = 5 } = {}) {
      const pool = connect({ url, max, applicationName: 'osa tests' });
      pools.push(pool);
      return pool;
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.close()));
      await admin.sql.unsafe(`drop database "${name}" with (force)`);
      await admin.close();
    },
  };
}

/** A directory that is gone after `dispose`. */
export async function scratch(): Promise<{ readonly path: string; dispose(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'osa-test-'));
  return { path, dispose: () => rm(path, { recursive: true, force: true }) };
}

/** Waits until `check` gives something else than undefined or false. */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const admin: Principal = {
  issuer: 'test',
  subject: 'admin',
  scopes: new Set([
    'conventions:write',
    'hooks:write',
    'ingestions:write',
    'ingestions:read',
    'runs:read',
    'replays:write',
  ]),
};
