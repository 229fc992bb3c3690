import { type AddressInfo, createServer } from 'node:net';
import { openClient } from '@osa/core/postgres/connection/client';
import { type ConnectOptions, connect, type Database } from '@osa/core/postgres/connection/connect';
import { createPool } from '@osa/core/postgres/connection/pool';
import { isConnectionLost } from '@osa/core/postgres/connection/sqlstate';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  backendThatRuns,
  type CuttingProxy,
  cuttingProxy,
  databaseUrl,
  driver,
  expectLost,
  failure,
  kill,
  pidOf,
  works,
} from '../support/database/postgres-support.ts';

let server: Awaited<ReturnType<typeof databaseUrl>>;
let admin: Database;

beforeAll(async () => {
  server = await databaseUrl();
  admin = connect({ url: server.url, max: 4, applicationName: 'lost test admin' });
  await admin.sql.unsafe(`
    create table lost_test (label text primary key, n int not null default 0);
    create function slow_check() returns trigger language plpgsql as
      $$ begin perform pg_sleep(60); return null; end $$;
    create constraint trigger slow after insert on lost_test deferrable initially deferred
      for each row when (new.label like 'slow %') execute function slow_check()`);
});

afterAll(async () => {
  await admin.close();
  await server.stop();
});

function open(options: Partial<ConnectOptions> = {}): Database {
  const database = connect({ url: server.url, max: 1, applicationName: 'lost test', ...options });
  onTestFinished(() => database.close());
  return database;
}

async function proxied(
  options: Partial<ConnectOptions> = {},
): Promise<{ proxy: CuttingProxy; database: Database }> {
  const proxy = await cuttingProxy(server.url);
  onTestFinished(proxy.close);
  return { proxy, database: open({ url: proxy.endpoint, ...options }) };
}

async function stored(label: string): Promise<boolean> {
  const rows = await admin.sql`select from lost_test where label = ${label}`;
  return rows.length > 0;
}

describe('a backend is killed', () => {
  test('while its connection is idle: the next statement has another one', async () => {
    const database = open();
    await kill(admin, await pidOf(database.sql));
    await works(database);
  });

  test('during a single statement', async () => {
    const database = open();
    const statement = failure(database.sql`select pg_sleep(60), 'single'`);
    await kill(admin, await backendThatRuns(admin, "'single'"));
    expectLost(await statement, 'unknown');
    await works(database);
  });

  test('between the statements of a transaction, whose handle is dead from then on', async () => {
    const database = open();
    const late = Promise.withResolvers<unknown>();
    const awake = Promise.withResolvers<void>();
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into lost_test values ('between 1')`;
        await kill(admin, await pidOf(tx));
        await awake.promise;
        late.resolve(failure(tx`insert into lost_test values ('between 2')`));
      }),
    );
    expectLost(error, 'none');
    await works(database);
    awake.resolve();
    expectLost(await late.promise, 'none');
    expect(await stored('between 1')).toBe(false);
    expect(await stored('between 2')).toBe(false);
    await works(database);
  });

  test('during a statement of a transaction', async () => {
    const database = open();
    const transaction = failure(
      database.transaction(async (tx) => {
        await tx`insert into lost_test values ('during')`;
        await tx`select pg_sleep(60), 'in transaction'`;
      }),
    );
    await kill(admin, await backendThatRuns(admin, "'in transaction'"));
    expectLost(await transaction, 'none');
    expect(await stored('during')).toBe(false);
    await works(database);
  });

  test('with pipelined statements, all of which are refused, also when the callback minds only its own', async () => {
    const database = open();
    const errors = Promise.withResolvers<readonly unknown[]>();
    const transaction = failure(
      database.transaction(async (tx) => {
        const sleep = tx`select pg_sleep(60), 'pipelined'`;
        const inserts = ['pipe 1', 'pipe 2', 'pipe 3'].map(
          (label) => tx`insert into lost_test values (${label})`,
        );
        errors.resolve(await Promise.all([sleep, ...inserts].map((statement) => failure(statement))));
      }),
    );
    await kill(admin, await backendThatRuns(admin, "'pipelined'"));
    expectLost(await transaction, 'none');
    for (const error of await errors.promise) {
      expectLost(error, 'none');
    }
    expect(await stored('pipe 1')).toBe(false);
    await works(database);
  });

  test('just before COMMIT', async () => {
    const database = open();
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into lost_test values ('before commit')`;
        await kill(admin, await pidOf(tx));
      }),
    );
    expect(isConnectionLost(error)).toBe(true);
    expect(await stored('before commit')).toBe(false);
    await works(database);
  });

  test('during COMMIT, whose result is unknown', async () => {
    const database = open();
    const transaction = failure(
      database.transaction((tx) => tx`insert into lost_test values ('slow commit')`),
    );
    await kill(admin, await backendThatRuns(admin, 'commit'));
    expectLost(await transaction, 'unknown');
    expect(await stored('slow commit')).toBe(false);
    await works(database);
  });

  test('while it waits in a transaction for longer than it may', async () => {
    const database = open({ idleInTransactionTimeoutMs: 500 });
    const never = Promise.withResolvers<void>();
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into lost_test values ('idle')`;
        await never.promise;
      }),
    );
    expectLost(error, 'none');
    expect(await stored('idle')).toBe(false);
    await works(database);
  });
});

describe('the connection is cut', () => {
  test.each(['close', 'reset', 'shutdown'] as const)(
    'after COMMIT was sent (%s): it may be stored',
    async (how) => {
      const { proxy, database } = await proxied();
      const label = `cut at the end ${how}`;
      await works(database);
      const cut = proxy.cut({ text: 'commit', when: 'after', how });
      const error = await failure(database.transaction((tx) => tx`insert into lost_test values (${label})`));
      await cut;
      expectLost(error, 'unknown');
      await expect.poll(() => stored(label)).toBe(true);
      await works(database);
    },
  );

  test('before BEGIN: the callback is never called', async () => {
    const { proxy, database } = await proxied();
    await works(database);
    const cut = proxy.cut({ text: 'begin', when: 'before' });
    let called = false;
    const error = await failure(
      database.transaction(async () => {
        called = true;
      }),
    );
    await cut;
    expectLost(error, 'none');
    expect(called).toBe(false);
    await works(database);
  });

  test.each(['close', 'reset', 'shutdown'] as const)('in a transaction (%s)', async (how) => {
    const { proxy, database } = await proxied();
    const cut = proxy.cut({ text: 'cut here', when: 'after', how });
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into lost_test values (${`cut ${how}`})`;
        await tx`select 'cut here'`;
      }),
    );
    await cut;
    expectLost(error, 'none');
    expect(await stored(`cut ${how}`)).toBe(false);
    await works(database);
  });

  test.each(['close', 'reset', 'shutdown'] as const)('while it is being opened (%s)', async (how) => {
    const { proxy, database } = await proxied();
    const cut = proxy.cut({ text: 'typcategory', when: 'before', how });
    const error = await failure(database.sql`select 1`);
    await cut;
    expectLost(error, 'none');
    await works(database);
  });
});

describe('a server that says nothing', () => {
  test('to a statement is given up, and the connection cut', async () => {
    const maker = driver(server.url, { max: 1, idle_timeout: 0, max_lifetime: null });
    const client = await openClient(maker, { connectTimeoutMs: 5_000, silenceMs: 500 });
    await client.control('select 1');
    expectLost(await failure(client.control('select pg_sleep(60)')), 'none');
    expect(client.lost.aborted).toBe(true);
    expectLost(await failure(client.control('select 2')), 'none');
  });

  test('takes the idle connections with the one that was asked', async () => {
    let opened = 0;
    const maker = driver(server.url, { max: 1, idle_timeout: 0, max_lifetime: null });
    const pool = createPool({
      max: 2,
      acquireTimeoutMs: 5_000,
      open: async () => {
        opened += 1;
        return openClient(maker, { connectTimeoutMs: 5_000, silenceMs: 500 });
      },
    });
    onTestFinished(() => pool.close());
    const [first, second] = [await pool.acquire(), await pool.acquire()];
    pool.release(second);
    expectLost(await failure(first.control('select pg_sleep(60)')), 'none');
    pool.release(first);
    expect(second.lost.aborted).toBe(true);
    const third = await pool.acquire();
    expect(await third.control('select 1')).toBe('SELECT');
    expect(opened).toBe(3);
    pool.release(third);
  });

  test('to a new connection is given up', async () => {
    const mute = createServer();
    onTestFinished(() => void mute.close());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const database = open({ url: { host: '127.0.0.1', port }, acquireTimeoutMs: 50 });
    expect(await failure(database.sql`select 1`)).toMatchObject({ code: 'unavailable' });
  });
});
