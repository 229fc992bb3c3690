import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { databaseUrl, failure, kill, pidOf, works } from '../support/database/postgres-support.ts';

// With lost.test.ts these hold patches/postgres@3.4.9.patch: each of its hunks has a test that fails without it.

let server: Awaited<ReturnType<typeof databaseUrl>>;
let admin: Database;

beforeAll(async () => {
  server = await databaseUrl();
  admin = connect({ url: server.url, max: 2, applicationName: 'driver test admin' });
});

afterAll(async () => {
  await admin.close();
  await server.stop();
});

function open(): Database {
  const database = connect({ url: server.url, max: 1, applicationName: 'driver test' });
  onTestFinished(() => database.close());
  return database;
}

test('a pipelined statement that cannot be built fails alone', async () => {
  const database = open();
  let found: unknown[] = [];
  await failure(
    database.transaction(async (tx) => {
      found = await Promise.allSettled([
        tx`select 1 as n`,
        tx`select ${undefined as never}::text as n`,
        tx`select 3 as n`,
      ]);
    }),
  );
  expect(found).toMatchObject([
    { status: 'fulfilled', value: [{ n: 1 }] },
    { status: 'rejected', reason: { code: 'UNDEFINED_VALUE' } },
    { status: 'fulfilled', value: [{ n: 3 }] },
  ]);
  await works(database);
});

test('the statement after one that failed in the middle of its rows has its own rows only', async () => {
  const database = open();
  expect(await failure(database.sql`select 10 / (5 - n) as n from generate_series(1, 10) n`)).toMatchObject({
    code: '22012',
  });
  expect([...(await database.sql`select 1 as one`)]).toEqual([{ one: 1 }]);
});

test('a statement that is prepared again sends its parameters as they were', async () => {
  const database = open();
  await admin.sql`create table driver_test (label text)`;
  const ask = () =>
    database.sql`select *, ${database.sql.json({ a: true })}::jsonb as j, ${true}::boolean as b from driver_test`;
  await ask();
  await admin.sql.unsafe(
    `alter table driver_test add column more text; insert into driver_test values ('x')`,
  );
  expect(await ask()).toEqual([{ label: 'x', more: null, j: { a: true }, b: true }]);
});

test('a connection that was ended between two statements is lost with the reason of the server', async () => {
  const database = open();
  const never = Promise.withResolvers<void>();
  const error = await failure(
    database.transaction(async (tx) => {
      await kill(admin, await pidOf(tx));
      await never.promise;
    }),
  );
  expect(error).toMatchObject({ cause: { code: '57P01' } });
});
