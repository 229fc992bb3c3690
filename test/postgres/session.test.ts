import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { sessionSettings } from '@osa/core/postgres/connection/session';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { failure } from '../support/database/postgres-support.ts';

/** A session takes nothing from `alter role` and `alter database` that its statements depend on. */

let bench: CoreArchive;
let owner: Database;
let role: string;
let database: string;
beforeAll(async () => {
  bench = await coreArchive();
  owner = bench.open('owner', { max: 1 });
  role = inject('cluster').appRole;
  const [row] = await owner.sql<{ name: string }[]>`select current_database() as name`;
  database = row?.name ?? '';
});
afterAll(() => bench.dispose());

/** For the sessions that begin during the test, in this database only. */
async function alter(settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await owner.sql.unsafe(`alter role "${role}" in database "${database}" set ${name} = '${value}'`);
  }
  onTestFinished(async () => {
    await owner.sql.unsafe(`alter role "${role}" in database "${database}" reset all`);
  });
}

/** Values that break requests, or change what they mean or how long they may take. */
const hostile: Readonly<Record<string, string>> = {
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  search_path: 'features',
  statement_timeout: '1',
  lock_timeout: '1',
  idle_in_transaction_session_timeout: '1',
  idle_session_timeout: '1',
  TimeZone: 'Asia/Kathmandu',
  DateStyle: 'German, DMY',
  IntervalStyle: 'iso_8601',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  row_security: 'off',
  enable_seqscan: 'on',
  enable_hashjoin: 'on',
  enable_mergejoin: 'on',
  enable_material: 'on',
  enable_indexscan: 'off',
  enable_indexonlyscan: 'off',
  enable_bitmapscan: 'off',
  enable_nestloop: 'off',
  enable_sort: 'off',
  from_collapse_limit: '1',
  join_collapse_limit: '1',
  plan_cache_mode: 'force_generic_plan',
  jit: 'on',
};

test('each setting of a session has a value that a role may have been given', () => {
  expect(Object.keys(hostile).toSorted()).toEqual(Object.keys(sessionSettings({})).toSorted());
});

describe.each(Object.entries(hostile))('%s = %s, as the role has it,', (name, value) => {
  test('does not reach a session, and is not what a reset gives', async () => {
    const [ours] = await bench.open('app', { max: 1 }).sql`select current_setting(${name}) as value`;
    await alter({ [name]: value });
    const { sql } = bench.open('app', { max: 1 });
    expect((await sql`select current_setting(${name}) as value`)[0]).toEqual(ours);
    await sql.unsafe('reset all');
    expect((await sql`select current_setting(${name}) as value`)[0]).toEqual(ours);
  });
});

test.each(['off', 'remote_apply'])(
  'with synchronous_commit = %s a commit waits for the disk',
  async (value) => {
    await alter({ synchronous_commit: value });
    const [row] = await bench.open('app', { max: 1 })
      .sql`select current_setting('synchronous_commit') as value`;
    expect(row).toEqual({ value: value === 'off' ? 'on' : value });
  },
);

test('a server that has transaction_timeout does not end transactions by it', async () => {
  const [there] = await owner.sql`select from pg_settings where name = 'transaction_timeout'`;
  if (there) await alter({ transaction_timeout: '300' });
  await bench.open('app', { max: 1 }).transaction((tx) => tx`select pg_sleep(0.5)`);
});

test('records are deployed, ingested, run and read under all of them at once', async () => {
  const other = await coreArchive();
  onTestFinished(() => other.dispose());
  const its = other.open('owner', { max: 1 });
  const [{ name } = { name: '' }] = await its.sql<{ name: string }[]>`select current_database() as name`;
  for (const [setting, value] of Object.entries({ ...hostile, synchronous_commit: 'off' }))
    await its.sql.unsafe(`alter role "${role}" in database "${name}" set ${setting} = '${value}'`);
  await other.deploy({ doubled: { code: hookCode('return { features: [{ value: metadata.value * 2 }] }') } });
  const { id } = await other.ingest([record('a', 0.1), record('b', 2)]);
  await other.drain();
  expect(await other.store.ingestions.show(id)).toMatchObject({ status: 'completed', published: 2 });
});

/** Answers each start of a session as the pooler does: with a refusal. */
async function refusing(code: string, message: string): Promise<Database> {
  const server = createServer((socket) => {
    socket.once('data', () => {
      const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
      const head = Buffer.alloc(5);
      head.write('E');
      head.writeInt32BE(fields.length + 4, 1);
      socket.end(Buffer.concat([head, fields]));
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `postgres://osa:osa@127.0.0.1:${port}/osa`;
  const pool = connect({ url, max: 1, applicationName: 'session test' });
  onTestFinished(async () => {
    await pool.close();
    server.close();
  });
  return pool;
}

test.each([
  ['08P01', 'unsupported startup parameter: statement_timeout'],
  ['08P01', 'unsupported startup parameter: TimeZone'],
  ['0A000', 'Feature not supported: command-line options'],
  ['42704', 'unrecognized configuration parameter "idle_session_timeout"'],
])('a pooler that refuses a session (%s: %s) is named, with what to set', async (code, message) => {
  const pool = await refusing(code, message);
  expect(await failure(pool.sql`select 1`)).toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      new RegExp(
        `refuses connections \\(.*${message.slice(0, 20)}.*PgBouncer.*pool_mode = session.*ignore_startup_parameters = statement_timeout,`,
        's',
      ),
    ),
  });
});
