import { randomBytes } from 'node:crypto';
import { OsaError } from '@osa/core/error';
import { type ConnectOptions, connect, type Database } from '@osa/core/postgres/connection/connect';
import { databaseError, isLockTimeout } from '@osa/core/postgres/connection/sqlstate';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  backendThatRuns,
  databaseUrl,
  expectLost,
  failure,
  kill,
  works,
} from '../support/database/postgres-support.ts';

let server: Awaited<ReturnType<typeof databaseUrl>>;
let admin: Database;

beforeAll(async () => {
  server = await databaseUrl();
  admin = connect({ url: server.url, max: 4, applicationName: 'connection test admin' });
  await admin.sql.unsafe(`
    create table connection_test (label text primary key, n int not null default 0)`);
});

afterAll(async () => {
  await admin.close();
  await server.stop();
});

function open(options: Partial<ConnectOptions> = {}): Database {
  const database = connect({ url: server.url, max: 1, applicationName: 'connection test', ...options });
  onTestFinished(() => database.close());
  return database;
}

async function stored(label: string): Promise<boolean> {
  const rows = await admin.sql`select from connection_test where label = ${label}`;
  return rows.length > 0;
}

describe('a transaction', () => {
  test('gives the result of its callback, and is stored', async () => {
    const database = open();
    const result = await database.transaction(async (tx) => {
      const where = tx`label = ${'plain'}`;
      await tx`insert into connection_test ${tx([{ label: 'plain', n: 7 }])}`;
      return tx<{ n: number }[]>`select n from connection_test where ${where}`;
    });
    expect(result).toEqual([{ n: 7 }]);
    expect(await stored('plain')).toBe(true);
  });

  test('fails with what its callback throws, and stores nothing', async () => {
    const database = open();
    const thrown = new OsaError('conflict', 'no');
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into connection_test values ('thrown')`;
        throw thrown;
      }),
    );
    expect(error).toBe(thrown);
    expect(await stored('thrown')).toBe(false);
    await works(database);
  });

  test('fails when one of its statements did, though the callback caught that', async () => {
    const database = open();
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into connection_test values ('caught')`;
        await failure(tx`insert into connection_test values ('caught')`);
      }),
    );
    expect(databaseError(error)).toMatchObject({ code: '23505', constraint_name: 'connection_test_pkey' });
    expect(await stored('caught')).toBe(false);
  });

  test('waits for a statement that was started and not awaited, and fails with it', async () => {
    const database = open();
    await database.transaction(async (tx) => {
      tx`insert into connection_test select 'started' from pg_sleep(0.05)`.execute();
    });
    expect(await stored('started')).toBe(true);
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into connection_test values ('started badly')`;
        tx`select 1 / 0 from pg_sleep(0.05)`.execute();
      }),
    );
    expect(error).toMatchObject({ code: '22012' });
    expect(await stored('started badly')).toBe(false);
    await works(database);
  });

  test('fails when a statement was made and never awaited', async () => {
    const database = open();
    const error = await failure(
      database.transaction(async (tx) => {
        await tx`insert into connection_test values ('forgotten 1')`;
        tx`insert into connection_test values ('forgotten 2')`;
      }),
    );
    expect(error).toMatchObject({ code: 'internal' });
    expect(await stored('forgotten 1')).toBe(false);
  });

  test('takes no statement after its end', async () => {
    const database = open();
    const tx = await database.transaction(async (handle) => handle);
    expect(await failure(tx`insert into connection_test values ('after')`)).toMatchObject({
      code: 'internal',
    });
    expect(await stored('after')).toBe(false);
  });

  test('that is read-only writes nothing', async () => {
    const database = open();
    const write = database.transaction((tx) => tx`insert into connection_test values ('read only')`, {
      readOnly: true,
    });
    expect(await failure(write)).toMatchObject({ code: '25006' });
  });

  test('is tried again after a deadlock', async () => {
    const database = open({ max: 2 });
    await database.sql`insert into connection_test values ('left'), ('right')`;
    const both = { arrived: 0, gate: Promise.withResolvers<void>() };
    let calls = 0;
    const add = (labels: readonly [string, string]): Promise<void> =>
      database.transaction(async (tx) => {
        calls += 1;
        await tx`update connection_test set n = n + 1 where label = ${labels[0]}`;
        both.arrived += 1;
        if (both.arrived === 2) {
          both.gate.resolve();
        }
        await both.gate.promise;
        await tx`update connection_test set n = n + 1 where label = ${labels[1]}`;
      });
    await Promise.all([add(['left', 'right']), add(['right', 'left'])]);
    expect(calls).toBeGreaterThan(2);
    const rows = await database.sql`select n from connection_test where label in ('left', 'right')`;
    expect(rows).toEqual([{ n: 2 }, { n: 2 }]);
  });

  test('gives up after as many retries as it was given', async () => {
    const database = open();
    let calls = 0;
    const error = await failure(
      database.transaction(
        async (tx) => {
          calls += 1;
          await tx`do $$ begin raise exception using errcode = '40001'; end $$`;
        },
        { retries: 2 },
      ),
    );
    expect(error).toMatchObject({ code: 'unavailable', cause: { code: '40001' } });
    expect(calls).toBe(3);
  });

  test.each(['53100', '53200', '58030'])(
    'that meets a server in trouble is unavailable: %s',
    async (code) => {
      const raised = failure(open().sql.unsafe(`do $$ begin raise 'full' using errcode = '${code}'; end $$`));
      expect(await raised).toMatchObject({ code: 'unavailable', cause: { code } });
    },
  );

  test('that waits too long for a lock is refused as unavailable', async () => {
    const database = open({ max: 2, lockTimeoutMs: 50 });
    await database.sql`insert into connection_test values ('locked')`;
    const update = (sql: Database['sql']) => sql`update connection_test set n = 1 where label = 'locked'`;
    const error = await database.transaction(async (tx) => {
      await update(tx);
      return failure(update(database.sql));
    });
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(isLockTimeout(error)).toBe(true);
  });

  test('refuses COPY, whose errors the driver never reports', async () => {
    const database = open();
    const copy = database.transaction(async (tx) => {
      await tx`copy connection_test from stdin`.writable();
    });
    expect(await failure(copy)).toMatchObject({ code: 'internal' });
    await works(database);
  });
});

test('a session compiles nothing, whatever the server would', async () => {
  const [{ jit } = { jit: '' }] = await open().sql<{ jit: string }[]>`show jit`;
  expect(jit).toBe('off');
});

test('a double has all its digits, whatever the role says', async () => {
  const double = 0.30000000000000004;
  const admin = open();
  await admin.sql.unsafe('alter role current_user set extra_float_digits = 0');
  try {
    const [row] = await open().sql<{ text: string }[]>`select (${`${double}`}::text::float8)::text as text`;
    expect(row?.text).toBe(String(double));
  } finally {
    await admin.sql.unsafe('alter role current_user reset extra_float_digits');
  }
});

describe('when all connections are busy', () => {
  test('a waiting caller is served in turn, or refused after a while', async () => {
    const database = open({ acquireTimeoutMs: 1_000 });
    const busy = Promise.withResolvers<void>();
    const holds = database.transaction(async (tx) => {
      await tx`select 1`;
      await busy.promise;
    });
    const refused = [database.sql`select 1`, database.transaction(async () => undefined)].map(failure);
    for (const error of await Promise.all(refused)) {
      expect(error).toMatchObject({ code: 'unavailable' });
    }
    const next = database.sql`select 3 as three`.execute();
    busy.resolve();
    await holds;
    expect(await next).toEqual([{ three: 3 }]);
  });

  test('the queue has an end', async () => {
    const database = open({ acquireTimeoutMs: 2_000 });
    const busy = Promise.withResolvers<void>();
    const holds = database.transaction(() => busy.promise);
    const waiting = Array.from({ length: 100 }, () => database.sql`select 1`.execute());
    expect(await failure(database.sql`select 1`)).toMatchObject({ code: 'unavailable' });
    busy.resolve();
    await holds;
    expect(await Promise.all(waiting)).toHaveLength(100);
  });
});

test('a notification comes in, and a lost connection is made known and opened again', async () => {
  const database = open();
  const heard: (string | undefined)[] = [];
  const unlisten = await database.listen('Connection test', (payload) => heard.push(payload));
  await admin.sql`select pg_notify('Connection test', 'one')`;
  await expect.poll(() => heard).toEqual(['one']);
  const [row] = await admin.sql<{ pid: number }[]>`
    select pid from pg_stat_activity
    where datname = current_database() and query = 'listen "Connection test"'`;
  await kill(admin, row?.pid ?? 0);
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['one', undefined]);
  await admin.sql`select pg_notify('Connection test', 'two')`;
  await expect.poll(() => heard).toEqual(['one', undefined, 'two']);
  await unlisten();
  await admin.sql`select pg_notify('Connection test', 'three')`;
  await works(database);
  expect(heard).toEqual(['one', undefined, 'two']);
});

test('a closed database refuses, and cuts what does not end', async () => {
  const database = open({ acquireTimeoutMs: 1_000 });
  const statement = failure(database.sql`select pg_sleep(60), 'closing'`);
  await backendThatRuns(admin, "'closing'");
  await database.close();
  expectLost(await statement, 'unknown');
  expect(await failure(database.sql`select 1`)).toMatchObject({ code: 'unavailable' });
  expect(await failure(database.listen('x', () => undefined))).toMatchObject({ code: 'unavailable' });
});

test.each([
  { name: 'a refused port', url: { host: '127.0.0.1', port: 1 } },
  { name: 'a socket that is not there', url: { host: '/nowhere', port: 5432 } },
])('$name is unavailable', async ({ url }) => {
  const database = open({ url });
  expectLost(await failure(database.sql`select 1`), 'none');
  expectLost(await failure(database.transaction((tx) => tx`select 1`)), 'none');
  expectLost(await failure(database.listen('x', () => undefined)), 'none');
});

test('a server that refuses connections is unavailable, and says what is to be checked', async () => {
  const role = `osa_test_${randomBytes(4).toString('hex')}`;
  await admin.sql.unsafe(`create role ${role} nologin password 'x'`);
  onTestFinished(async () => void (await admin.sql.unsafe(`drop role ${role}`)));
  const other = (change: (url: URL) => void) => {
    const url = new URL(server.url);
    change(url);
    return failure(open({ url: url.href }).sql`select 1`);
  };
  const noLogin = await other((url) => Object.assign(url, { username: role, password: 'x' }));
  expect(noLogin).toMatchObject({
    code: 'unavailable',
    message: `The database refuses connections (role "${role}" is not permitted to log in). Check the user in its URL, and whether it may log in.`,
  });
  const missing = await other((url) => Object.assign(url, { pathname: '/osa_nowhere' }));
  expect(missing).toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /"osa_nowhere" does not exist\)\. Check the name in its URL, and whether it has been made\.$/,
    ),
  });
});

test.each(['nonsense', 'http://localhost/x', 'postgres://user:%@host/x'])('the URL %s is refused', (url) => {
  expect(() => open({ url })).toThrowError(expect.objectContaining({ code: 'invalid', field: 'url' }));
});
