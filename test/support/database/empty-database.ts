import { randomBytes } from 'node:crypto';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { inject } from 'vitest';
import { withDatabase } from './cluster.ts';

/** A database with nothing in it, and roles of its own, which go with it. */
export interface EmptyDatabase {
  /** The name of a role that does not exist yet, and that `close` drops. */
  readonly appRole: string;
  /** Where it is, for the server's own user, or the role. */
  url(role?: string): string;
  /** A pool of that; `close` ends it. */
  open(role?: string): Database;
  /** Makes a role that can log in; `rights` as after `create role`. */
  role(suffix: string, rights?: string): Promise<string>;
  close(): Promise<void>;
}

export async function emptyDatabase(options: { readonly owner?: string } = {}): Promise<EmptyDatabase> {
  const { ownerUrl, template } = inject('cluster');
  const name = `${template.replace('_template', '')}_${randomBytes(4).toString('hex')}`;
  const appRole = `${name}_app`;
  const password = randomBytes(16).toString('hex');
  const admin = connect({ url: ownerUrl, max: 1, applicationName: 'osa tests', lockTimeoutMs: 30_000 });
  const pools: Database[] = [];
  const roles = [appRole];
  const role = async (suffix: string, rights = '') => {
    const made = `${name}_${suffix}`;
    await admin.sql.unsafe(`create role "${made}" login password '${password}' ${rights}`);
    roles.push(made);
    return made;
  };
  const owner = options.owner ? await role(options.owner) : undefined;
  await admin.sql.unsafe(`create database "${name}" ${owner ? `owner "${owner}"` : ''}`);
  const urlOf: EmptyDatabase['url'] = (user) => {
    const url = new URL(withDatabase(ownerUrl, name));
    if (user) {
      url.username = user;
      url.password = password;
    }
    return url.href;
  };
  return {
    appRole,
    role,
    url: urlOf,
    open(user) {
      const pool = connect({ url: urlOf(user), max: 5, applicationName: 'osa tests' });
      pools.push(pool);
      return pool;
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.close()));
      await admin.sql.unsafe(`drop database "${name}" with (force)`);
      for (const made of roles) await admin.sql.unsafe(`drop role if exists "${made}"`);
      await admin.close();
    },
  };
}
