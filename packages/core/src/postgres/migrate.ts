import { createHash } from 'node:crypto';
import { OsaError } from '../error.ts';
import type { Database, Transaction } from './connection.ts';
import { type Migration, roles, migrations as shipped } from './migrations/index.ts';

export interface MigrateOptions {
  /** The role that the daemon connects as. Made without a login if it is missing. */
  readonly appRole: string;
  /** For tests; what ships with osa by default. */
  readonly migrations?: readonly Migration[];
}

/**
 * Brings the database up to date, as its owner: each file that is missing in a transaction of its own, under one
 * advisory lock, then the rights of the application's role. Running it again changes nothing.
 *
 * @returns the names of the files that were applied
 * @throws OsaError `conflict` when the database is ahead of this osa, or a file differs from what was applied;
 * `invalid` for a role's name that cannot be used
 */
export async function migrate(database: Database, options: MigrateOptions): Promise<readonly string[]> {
  const { appRole, migrations = shipped } = options;
  if (!/^[a-z_][a-z0-9_-]{0,62}$/.test(appRole)) {
    throw new OsaError('invalid', `app role ${JSON.stringify(appRole)}: use a-z, 0-9, _ and -`, {
      field: 'app_role',
    });
  }
  await inLock(database, async (tx) => {
    await tx`create table if not exists schema_migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
  });
  const applied: string[] = [];
  for (const migration of migrations) {
    const isNew = await inLock(database, (tx) => apply(tx, migration, migrations));
    if (isNew) applied.push(migration.name);
  }
  await inLock(database, async (tx) => {
    await ensureRole(tx, appRole);
    await tx`select set_config('osa.app_role', ${appRole}, true)`;
    await tx.unsafe(roles);
  });
  return applied;
}

/** Whether the database is as this osa needs it. @throws OsaError `conflict` */
export async function requireMigrated(database: Database): Promise<void> {
  const [found] = await database.sql<{ exists: boolean }[]>`
    select to_regclass('public.schema_migrations') is not null as exists`;
  if (!found?.exists) {
    throw new OsaError(
      'conflict',
      'the database has no tables of osa; run `osad migrate` with the URL of its owner',
    );
  }
  const missing = await compare(database.sql, shipped);
  if (missing.length > 0) {
    throw new OsaError(
      'conflict',
      `the database lacks ${missing.join(', ')}; run \`osad migrate\` with the URL of its owner`,
    );
  }
}

/** One lock for all migrations of a database; each transaction takes it, and looks again at what is there. */
async function inLock<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('osa.migrate'))`;
    return work(tx);
  });
}

async function apply(tx: Transaction, migration: Migration, all: readonly Migration[]): Promise<boolean> {
  const missing = await compare(tx, all);
  if (!missing.includes(migration.name)) return false;
  await tx.unsafe(migration.sql);
  await tx`insert into schema_migrations (name, checksum) values (${migration.name}, ${checksum(migration)})`;
  return true;
}

/** The names in `all` that are not applied. @throws OsaError `conflict` when what is applied is not in `all`. */
async function compare(sql: Transaction, all: readonly Migration[]): Promise<string[]> {
  const rows = await sql<{ name: string; checksum: string }[]>`
    select name, checksum from schema_migrations order by name`;
  const known = new Map(all.map((migration) => [migration.name, checksum(migration)]));
  for (const row of rows) {
    const expected = known.get(row.name);
    if (expected === undefined) {
      throw new OsaError(
        'conflict',
        `the database is ahead of this osa: it has ${row.name}; use a newer osa`,
      );
    }
    if (expected !== row.checksum) {
      throw new OsaError(
        'conflict',
        `migration ${row.name} was applied with other content; use the osa that applied it`,
      );
    }
  }
  const applied = new Set(rows.map((row) => row.name));
  return all.filter((migration) => !applied.has(migration.name)).map((migration) => migration.name);
}

async function ensureRole(tx: Transaction, appRole: string): Promise<void> {
  const [role] = await tx<{ rolsuper: boolean }[]>`select rolsuper from pg_roles where rolname = ${appRole}`;
  if (role?.rolsuper) {
    throw new OsaError(
      'invalid',
      `app role ${appRole} is a superuser; give the daemon a role without rights of its own`,
      {
        field: 'app_role',
      },
    );
  }
  if (!role) await tx.unsafe(`create role "${appRole}" nologin`);
}

function checksum({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex');
}

/** What stops a daemon from running as this role: it would be above the rules. Empty when it is fit. */
export async function excessRights(database: Database): Promise<readonly string[]> {
  const rows = await database.sql<{ reason: string }[]>`
    select rolname || ' is a superuser' as reason from pg_roles where rolname in (current_user, session_user) and rolsuper
    union all
    select distinct current_user || ' owns the tables of osa' from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'features', 'current') and c.relkind in ('r', 'v')
        and (pg_has_role(current_user, c.relowner, 'member') or pg_has_role(session_user, c.relowner, 'member'))`;
  return rows.map((row) => row.reason);
}
