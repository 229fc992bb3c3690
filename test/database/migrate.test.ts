import type { Database } from '@osa/core/postgres/connection/connect';
import { excessRights, migrate, requireDurable, requireMigrated } from '@osa/core/postgres/migrate';
import { migrations } from '@osa/core/postgres/migrations/index';
import { migrateDatabase } from '@osa/daemon/upkeep/migrate';
import { beforeEach, describe, expect, test } from 'vitest';
import { dumpSchema } from '../../scripts/dump-schema.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database/empty-database.ts';
import { fill } from '../support/database/sql-attack.ts';

let database: EmptyDatabase;
let owner: Database;
let appRole: string;
beforeEach(async () => {
  database = await emptyDatabase();
  owner = database.open();
  appRole = database.appRole;
  return () => database.close();
});

const shipped = migrations.map(({ name }) => name);
const file = (name: string, sql: string) => ({ name, sql });

async function exists(table: string): Promise<boolean> {
  const [row] = await owner.sql<{ exists: boolean }[]>`select to_regclass(${table}) is not null as exists`;
  return row?.exists === true;
}

async function applied(): Promise<string[]> {
  const rows = await owner.sql<{ name: string }[]>`select name from schema_migrations order by name`;
  return rows.map((row) => row.name);
}

test('osad migrate says what it did, and that a role which it made has no login', async () => {
  const { appRole } = database;
  const url = database.url();
  const rights = `the role ${appRole} has its rights`;
  const advice = `but cannot log in yet; run: alter role "${appRole}" login password '…'`;
  expect(await migrateDatabase({ url, appRole })).toBe(`applied ${shipped.join(', ')}; ${rights}, ${advice}`);
  await owner.sql.unsafe(`alter role "${appRole}" login`);
  expect(await migrateDatabase({ url, appRole })).toBe(`nothing to apply; ${rights}`);
  const nobody = database.url(await database.role('nobody'));
  await expect(migrateDatabase({ url: nobody, appRole })).rejects.toThrow(
    /; connect as the owner of the database/,
  );
});

test('a schema that is named after the owner takes nothing in', async () => {
  await owner.sql.unsafe('create schema authorization current_user');
  await migrate(owner, { appRole });
  await requireMigrated(owner);
  expect(await exists('public.schema_migrations')).toBe(true);
});

describe('files', () => {
  test('are applied to an empty database, once', async () => {
    await expect(requireMigrated(owner)).rejects.toMatchObject({ code: 'conflict' });
    expect(await migrate(owner, { appRole })).toEqual(shipped);
    await requireMigrated(owner);
    const before = await dumpSchema(owner, appRole);
    const written = await owner.sql`select xmin::text, name, checksum, applied_at from schema_migrations`;
    expect(await migrate(owner, { appRole })).toEqual([]);
    expect(await dumpSchema(owner, appRole)).toBe(before);
    expect(await owner.sql`select xmin::text, name, checksum, applied_at from schema_migrations`).toEqual(
      written,
    );
  });

  test('are not enough for a role without rights, as after a restore, and it is told what to do', async () => {
    await migrate(owner, { appRole });
    const restored = database.open(await database.role('restored'));
    await expect(requireMigrated(restored)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('run `osad migrate`'),
    });
  });

  test('are applied once by four at a time', async () => {
    const all = await Promise.all([1, 2, 3, 4].map(() => migrate(database.open(), { appRole })));
    expect(all.flat().sort()).toEqual(shipped);
    await requireMigrated(owner);
  });

  test('that fail leave nothing of themselves, and what went before stays', async () => {
    const first = file('0001_a', 'create table a ()');
    const broken = file(
      '0002_b',
      'create table b (); insert into a default values; select 1 / 0; create table c ()',
    );
    await expect(migrate(owner, { appRole, migrations: [first, broken] })).rejects.toMatchObject({
      code: '22012',
    });
    expect(await applied()).toEqual(['0001_a']);
    expect([await exists('a'), await exists('b'), await exists('c')]).toEqual([true, false, false]);
    expect(await owner.sql`select * from a`).toHaveLength(0);
    const [role] = await owner.sql`select from pg_roles where rolname = ${appRole}`;
    expect(role).toBeUndefined();
  });

  test('that are added are applied after those that are there', async () => {
    const first = file('0001_a', 'create table a ()');
    const second = file('0002_b', 'create table b ()');
    await expect(migrate(owner, { appRole, migrations: [first] })).rejects.toMatchObject({ code: '3F000' });
    await expect(migrate(owner, { appRole, migrations: [first, second] })).rejects.toMatchObject({
      code: '3F000',
    });
    expect(await applied()).toEqual(['0001_a', '0002_b']);
  });

  test('that were changed are refused, by the daemon too', async () => {
    await migrate(owner, { appRole });
    const changed = migrations.map(({ name, sql }) => file(name, `${sql} `));
    await expect(migrate(owner, { appRole, migrations: changed })).rejects.toMatchObject({
      code: 'conflict',
    });
    await owner.sql`update schema_migrations set checksum = 'other'`;
    await expect(requireMigrated(owner)).rejects.toMatchObject({ code: 'conflict' });
  });

  test('that this osa does not know are refused, and change nothing', async () => {
    await migrate(owner, { appRole });
    const before = await dumpSchema(owner, appRole);
    await owner.sql`insert into schema_migrations (name, checksum) values ('9999_future', 'x')`;
    await expect(migrate(owner, { appRole })).rejects.toMatchObject({ code: 'conflict' });
    await expect(requireMigrated(owner)).rejects.toMatchObject({ code: 'conflict' });
    expect(await dumpSchema(owner, appRole)).toBe(before);
  });

  test('that are missing are named to the daemon', async () => {
    await migrate(owner, { appRole });
    await owner.sql`delete from schema_migrations`;
    await expect(requireMigrated(owner)).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('the application’s role', () => {
  test('is made without a login or any attribute', async () => {
    await migrate(owner, { appRole });
    const [role] = await owner.sql`
      select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as any
      from pg_roles where rolname = ${appRole}`;
    expect(role).toEqual({ any: false });
  });

  test('keeps its login and password when it is there', async () => {
    const role = await database.role('own');
    await migrate(owner, { appRole: role });
    await requireMigrated(database.open(role));
  });

  test('is refused as a superuser, and nothing is given to it', async () => {
    const role = await database.role('super', 'superuser');
    await expect(migrate(owner, { appRole: role })).rejects.toMatchObject({
      code: 'invalid',
      field: 'app_role',
    });
    const [row] = await owner.sql`select relacl from pg_class where oid = 'releases'::regclass`;
    expect(row).toEqual({ relacl: null });
  });

  test.each(['', 'Upper', '1st', 'a b', 'a"; drop table hooks; --', "a'b", 'ä', 'x'.repeat(64), 'a\n'])(
    'is not named %j',
    async (name) => {
      await expect(migrate(owner, { appRole: name })).rejects.toMatchObject({
        code: 'invalid',
        field: 'app_role',
      });
      expect(await exists('schema_migrations')).toBe(false);
    },
  );

  test('loses what everybody may do, and what was given by hand', async () => {
    await owner.sql.unsafe('grant create on schema public to public');
    await migrate(owner, { appRole });
    await owner.sql.unsafe(`grant all on all tables in schema public to "${appRole}";
      grant create on schema public to "${appRole}"; grant update (digest) on releases to "${appRole}"`);
    await migrate(owner, { appRole });
    const [row] = await owner.sql`
      select has_database_privilege(${appRole}, current_database(), 'temporary, create') as database,
             has_schema_privilege(${appRole}, 'public', 'create') as schema,
             has_any_column_privilege(${appRole}, 'releases', 'update, references') as releases`;
    expect(row).toEqual({ database: false, schema: false, releases: false });
  });

  test('may be another one later', async () => {
    await migrate(owner, { appRole: await database.role('first') });
    const second = await database.role('second');
    await migrate(owner, { appRole: second });
    await requireMigrated(database.open(second));
  });
});

describe('what stops a daemon', () => {
  test('is nothing, for the application’s role', async () => {
    const role = await database.role('own');
    await migrate(owner, { appRole: role });
    expect(await excessRights(database.open(role))).toEqual([]);
  });

  test('is being a superuser', async () => {
    await migrate(owner, { appRole });
    const role = await database.role('super', 'superuser');
    expect(await excessRights(database.open(role))).toContain(`${role} is a superuser`);
  });

  test('is being the owner, or a member of it', async () => {
    await database.close();
    database = await emptyDatabase({ owner: 'owner' });
    const ownerRole = `${database.appRole.replace(/_app$/, '')}_owner`;
    const member = await database.role('member', `in role "${ownerRole}"`);
    const silent = await database.role('silent', `noinherit in role "${ownerRole}"`);
    const app = await database.role('own');
    // An owner without a single attribute will do, when the role is there.
    await migrate(database.open(ownerRole), { appRole: app });
    const { done } = await fill({ app: database.open(app), owner: database.open(ownerRole) });
    expect(done.runs).toHaveLength(2);
    for (const role of [ownerRole, member, silent]) {
      expect(await excessRights(database.open(role))).toContain(`${role} owns the tables of osa`);
    }
    expect(await excessRights(database.open(app))).toEqual([]);
  });

  test.each([
    ['may make roles', 'createrole', 'select'],
    ['is a member of pg_write_all_data', 'in role pg_write_all_data', 'select'],
    ['owns the database', '', 'alter database :name owner to :role'],
    ['owns schema public', '', 'alter schema public owner to :role'],
    ['owns functions of osa', '', 'alter function prove_rows() owner to :role'],
    ['may create in schema public', '', 'grant create on schema public to :role'],
    ['has the right trigger on tables of osa', '', 'grant trigger on releases to :role'],
    ['has the right truncate on tables of osa', '', 'grant truncate on features.energy to :role'],
    [
      'may set session_replication_role',
      '',
      'grant set on parameter session_replication_role to :role',
      'revoke set on parameter session_replication_role from :role',
    ],
  ])('%s', async (flaw, attributes, change, undo = 'select') => {
    const app = await database.role('own');
    const role = await database.role('above', attributes);
    await migrate(owner, { appRole: app });
    await fill({ app: database.open(app), owner });
    expect(await excessRights(database.open(role))).toEqual(attributes ? [`${role} ${flaw}`] : []);
    const [row] = await owner.sql<{ name: string }[]>`select quote_ident(current_database()) as name`;
    const run = (statement: string) =>
      owner.sql.unsafe(statement.replace(':name', row?.name ?? '').replace(':role', `"${role}"`));
    await run(change);
    const found = await excessRights(database.open(role));
    // A right of the whole server: it would outlive the database and hold the role.
    await run(undo);
    expect(found).toContain(`${role} ${flaw}`);
  });

  test('is a role whose commits are not kept', async () => {
    const role = await database.role('hasty');
    await requireDurable(database.open(role));
    await owner.sql.unsafe(`alter role "${role}" set synchronous_commit to off`);
    await expect(requireDurable(database.open(role))).rejects.toMatchObject({ field: 'synchronous_commit' });
  });

  test.each(['superuser', 'createrole'])('an app role that is a %s is not migrated to', async (attribute) => {
    const above = await database.role('above', attribute);
    await expect(migrate(owner, { appRole: above })).rejects.toMatchObject({
      code: 'invalid',
      field: 'app_role',
    });
  });
});
