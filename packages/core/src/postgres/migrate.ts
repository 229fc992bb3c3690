import { createHash } from 'node:crypto';
import { OsaError } from '../error.ts';
import type { Database, Transaction } from './connection/connect.ts';
import { databaseError } from './connection/sqlstate.ts';
import { type Migration, roles, migrations as shipped } from './migrations/index.ts';

export interface MigrateOptions {
  /** The role that the daemon connects as. Made without a login if it is missing. */
  readonly appRole: string;
  /** For tests; what ships with osa by default. */
  readonly migrations?: readonly Migration[];
}

/**
 * Brings the database up to date, as its owner. Each missing file is applied in a transaction of its own, under one
 * advisory lock; then come the rights of the application's role. Running it again changes nothing.
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
  const missing = await inLock(database, async (tx) => {
    await tx`create table if not exists public.schema_migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
    return compare(tx, migrations);
  });
  const applied: string[] = [];
  for (const migration of migrations.filter(({ name }) => missing.includes(name))) {
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
  const missing = await compare(database.sql, shipped).catch((error: unknown) => {
    if (databaseError(error)?.code !== '42501') throw error;
    throw new OsaError(
      'conflict',
      'this role has no rights in the database, as after a restore; run `osad migrate` with the URL of its owner',
      { cause: error },
    );
  });
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
  await tx`insert into public.schema_migrations (name, checksum) values (${migration.name}, ${checksum(migration)})`;
  return true;
}

/** The names in `all` that are not applied. @throws OsaError `conflict` when what is applied is not in `all`. */
async function compare(sql: Transaction, all: readonly Migration[]): Promise<string[]> {
  const rows = await sql<{ name: string; checksum: string }[]>`
    select name, checksum from public.schema_migrations order by name`;
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
  const [role] = await tx<{ above: string | null }[]>`
    select case when r.rolsuper then 'is a superuser' when r.rolcreaterole then 'may make roles'
                when r.oid = (select datdba from pg_database where datname = current_database()) then 'owns the database'
           end as above
    from pg_roles r where r.rolname = ${appRole}`;
  if (role?.above) {
    throw new OsaError(
      'invalid',
      `app role ${appRole} ${role.above}; give the daemon a role without rights of its own`,
      { field: 'app_role' },
    );
  }
  if (!role) await tx.unsafe(`create role "${appRole}" nologin`);
}

/** Whether a daemon could connect as a role: one that `migrate` has made is not given a password by it. */
export async function canLogIn({ sql }: Database, role: string): Promise<boolean> {
  return (await sql`select from pg_roles where rolname = ${role} and rolcanlogin`).length > 0;
}

function checksum({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex');
}

/**
 * Reasons why a daemon may not run as this role: it would be above the rules, or could put itself there. Empty when
 * it is fit. Looked at are the role of the session and all that it may become.
 */
export async function excessRights(database: Database): Promise<readonly string[]> {
  const rows = await database.sql<{ reason: string }[]>`
    with held as (
      select r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolreplication, r.rolbypassrls
      from pg_roles r
      where pg_has_role(current_user, r.oid, 'member') or pg_has_role(session_user, r.oid, 'member')
        or r.rolname in (current_user, session_user)
    ), ours as (
      select n.oid, n.nspname, n.nspowner from pg_namespace n where n.nspname in ('public', 'features', 'current')
    )
    select distinct format('%I %s', current_user, flaw) as reason
    from (
      select 'is a superuser' from held where rolsuper
      union all select 'may make roles' from held where rolcreaterole
      union all select 'may replicate' from held where rolreplication
      union all select format('is a member of %I', rolname) from held
        where rolname in ('pg_write_all_data', 'pg_maintain', 'pg_execute_server_program', 'pg_write_server_files')
      union all select 'owns the database' from held
        where oid = (select datdba from pg_database where datname = current_database())
      union all select format('owns schema %I', nspname) from ours join held on held.oid = nspowner
        -- Everybody's own database gives its owner this role, which is reported as such.
        where rolname <> 'pg_database_owner'
      union all select 'owns the tables of osa' from pg_class c join ours on ours.oid = c.relnamespace
        join held on held.oid = c.relowner
      union all select 'owns functions of osa' from pg_proc p join ours on ours.oid = p.pronamespace
        join held on held.oid = p.proowner
      union all select format('may create in schema %I', nspname) from ours
        where has_schema_privilege(current_user, oid, 'create') or has_schema_privilege(session_user, oid, 'create')
      union all select format('has the right %s on tables of osa', lower(privilege))
        from ours join pg_class c on c.relnamespace = ours.oid and c.relkind = 'r'
        cross join (values ('TRUNCATE'), ('TRIGGER')) as excess (privilege)
        where has_table_privilege(current_user, c.oid, privilege) or has_table_privilege(session_user, c.oid, privilege)
      union all select 'may set session_replication_role'
        where has_parameter_privilege(current_user, 'session_replication_role', 'set')
          or has_parameter_privilege(session_user, 'session_replication_role', 'set')
    ) as found (flaw)
    order by reason`;
  return rows.map((row) => row.reason);
}

/**
 * Refuses a role or database that was told to answer before what it answers is on the disk. Our sessions wait all the same.
 * @throws OsaError `conflict`
 */
export async function requireDurable({ sql }: Database): Promise<void> {
  const [row] = await sql<{ setting: string }[]>`
    select reset_val as setting from pg_settings where name = 'synchronous_commit'`;
  if (row?.setting !== 'off') return;
  throw new OsaError(
    'conflict',
    'synchronous_commit is off, so that a crash of the server would lose what was answered; ' +
      'set it to on for the role of the daemon (alter role … reset synchronous_commit)',
    { field: 'synchronous_commit' },
  );
}
