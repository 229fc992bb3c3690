import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect, type Database, type Endpoint } from '@osa/core/postgres/connection/connect';
import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  backendThatRuns,
  cuttingProxy,
  type DriverOptions,
  databaseUrl,
  driver,
  failure,
  kill,
  pidOf,
  turn,
} from '../support/database/postgres-support.ts';

// These hold patches/postgres@3.4.9.patch, hunk by hunk. An exception outside of a promise fails the whole run.

let server: Awaited<ReturnType<typeof databaseUrl>>;
let admin: Database;

beforeAll(async () => {
  server = await databaseUrl();
  admin = connect({ url: server.url, max: 2, applicationName: 'driver test admin' });
  await admin.sql`create table driver_test (label text)`;
});

afterAll(async () => {
  await admin.close();
  await server.stop();
});

function open(options: DriverOptions = {}, url: string | Endpoint = server.url) {
  const sql = driver(url, { max: 1, backoff: () => 0, ...options });
  onTestFinished(() => sql.end({ timeout: 0 }));
  return sql;
}

/** A driver of whose present socket we have hold. */
function withSocket() {
  let socket: Socket | undefined;
  const sql = open({
    socket: async ({ path, host, port }: postgres.ParsedOptions) => {
      socket = path ? connectSocket({ path }) : connectSocket({ host: host[0] ?? '', port: port[0] ?? 0 });
      await once(socket, 'connect');
      return socket;
    },
  });
  return { sql, socket: () => socket };
}

async function stored(label: string): Promise<number> {
  const [row] = await admin.sql<
    { n: number }[]
  >`select count(*)::int as n from driver_test where label = ${label}`;
  return row?.n ?? -1;
}

/** A promise to open from outside. */
function gate() {
  return Promise.withResolvers<void>();
}

describe('a killed backend', () => {
  test('inside begin rejects with the reason, and the next statement does not inherit it', async () => {
    const sql = open();
    const transaction = failure(
      sql.begin(async (tx) => {
        await tx`insert into driver_test values ('during')`;
        await tx`select pg_sleep(60), 'during begin'`;
      }),
    );
    await kill(admin, await backendThatRuns(admin, 'during begin'));
    expect(await transaction).toMatchObject({ code: '57P01' });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    expect(await stored('during')).toBe(0);
  });

  test('leaves the handle of its transaction dead, also when the pool has connected again', async () => {
    const sql = open();
    const [dead, wake] = [gate(), gate()];
    let late: unknown;
    const work = gate();
    const transaction = failure(
      sql.begin(async (tx) => {
        await kill(admin, await pidOf(tx));
        dead.resolve();
        await wake.promise;
        late = await failure(tx`insert into driver_test values ('late')`);
        work.resolve();
      }),
    );
    await dead.promise;
    expect(await transaction).toMatchObject({ code: '57P01' });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    wake.resolve();
    await work.promise;
    expect(late).toMatchObject({ code: '57P01' });
    expect(await stored('late')).toBe(0);
  });

  test("keeps the dead transaction's commit out of the one that has its connection", async () => {
    const sql = open();
    const [wake, committed] = [gate(), gate()];
    const first = failure(
      sql.begin(async (tx) => {
        await kill(admin, await pidOf(tx));
        await wake.promise;
        committed.resolve();
      }),
    );
    expect(await first).toMatchObject({ code: '57P01' });
    const second = failure(
      sql.begin(async (tx) => {
        await tx`insert into driver_test values ('second')`;
        wake.resolve();
        await committed.promise;
        await tx`select 1`;
        throw new Error('rolled back on purpose');
      }),
    );
    expect(await second).toMatchObject({ message: 'rolled back on purpose' });
    expect(await stored('second')).toBe(0);
  });

  test('settles the statements that its transaction had queued or pipelined', async () => {
    const sql = open({ max_pipeline: 2 });
    const transaction = failure(
      sql.begin((tx) =>
        Promise.all(
          [0, 1, 2, 3].map((n) =>
            n === 0
              ? tx`select pg_sleep(60), 'pipelined begin'`
              : tx`insert into driver_test values (${`p${n}`})`,
          ),
        ),
      ),
    );
    await kill(admin, await backendThatRuns(admin, 'pipelined begin'));
    expect(await transaction).toMatchObject({ code: '57P01' });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  test('leaves a reserved handle dead, and its release harmless', async () => {
    const sql = open();
    const reserved = await sql.reserve();
    await kill(admin, await pidOf(reserved));
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    expect(await failure(reserved`insert into driver_test values ('reserved')`)).toMatchObject({
      code: '57P01',
    });
    reserved.release();
    expect(await sql`select 2 as two`).toEqual([{ two: 2 }]);
    expect(await stored('reserved')).toBe(0);
  });

  test('while types are fetched does not fail the first statement, which connects again', async () => {
    const proxy = await cuttingProxy(server.url);
    onTestFinished(proxy.close);
    const cut = proxy.cut({ text: 'typcategory', when: 'before', how: 'shutdown' });
    const sql = open({}, proxy.endpoint);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    await cut;
  });
});

test('a reset connection inside begin neither hangs nor blocks the next statements', async () => {
  const proxy = await cuttingProxy(server.url);
  onTestFinished(proxy.close);
  const sql = open({}, proxy.endpoint);
  const cut = proxy.cut({ text: 'reset here', when: 'after', how: 'reset' });
  const lost = await failure(sql.begin((tx) => tx`select 'reset here'`));
  await cut;
  expect(['ECONNRESET', 'CONNECTION_CLOSED']).toContain((lost as { code?: string }).code);
  for (const n of [1, 2, 3]) {
    expect(await sql`select ${n}::int as n`).toEqual([{ n }]);
  }
});

test('a statement that its connection took along unsent leaves nothing behind for the next session', async () => {
  const { sql, socket } = withSocket();
  await sql`select 1`;
  // The driver hands its bytes over in the next check phase of the event loop; the socket's end comes before.
  await turn();
  const unsent = failure(sql`insert into driver_test values ('unsent')`);
  await Promise.resolve();
  socket()?.destroy();
  expect(await unsent).toMatchObject({ code: 'CONNECTION_CLOSED' });
  expect(await sql`select 2 as two`).toEqual([{ two: 2 }]);
  expect(await stored('unsent')).toBe(0);
});

test('a drained socket does not lend the connection of a transaction to others', async () => {
  const { sql, socket } = withSocket();
  let other: Promise<unknown> | undefined;
  const transaction = failure(
    sql.begin(async (tx) => {
      await tx`select 1`;
      other = sql`insert into driver_test values ('drained')`.execute();
      await turn();
      socket()?.emit('drain');
      await tx`select 2`;
      throw new Error('rolled back on purpose');
    }),
  );
  expect(await transaction).toMatchObject({ message: 'rolled back on purpose' });
  await other;
  expect(await stored('drained')).toBe(1);
});

test('a released reservation takes no more statements', async () => {
  const sql = open();
  const reserved = await sql.reserve();
  reserved.release();
  expect(await failure(reserved`select 1`)).toMatchObject({ code: 'CONNECTION_RELEASED' });
});

test('a transaction that the server rolled back is not reported as committed', async () => {
  const sql = open();
  const transaction = sql.begin(async (tx) => {
    await tx`insert into driver_test values ('aborted')`;
    tx`select 1 / 0`.execute();
  });
  expect(await failure(transaction)).toMatchObject({ code: '22012' });
  expect(await stored('aborted')).toBe(0);
});

test('begin at the end of a full pipeline has its connection', async () => {
  const sql = open({ max_pipeline: 1 });
  await sql`select 1`;
  const busy = sql`select pg_sleep(0.05)`.execute();
  await sql.begin((tx) => tx`insert into driver_test values ('boundary')`);
  await busy;
  expect(await stored('boundary')).toBe(1);
});

test('a pipelined statement that cannot be built fails alone', async () => {
  const sql = open();
  const nothing = undefined as unknown as string;
  const results = await sql
    .begin((tx) => Promise.allSettled([tx`select 1 as n`, tx`select ${nothing}::text`, tx`select 3 as n`]))
    .catch((error: unknown) => error);
  expect(results).toMatchObject({ code: 'UNDEFINED_VALUE' });
  const reserved = await sql.reserve();
  const [first, second, third] = await Promise.allSettled([
    reserved`select 1 as n`,
    reserved`select ${nothing}::text`,
    reserved`select 3 as n`,
  ]);
  expect(first).toMatchObject({ status: 'fulfilled', value: [{ n: 1 }] });
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'UNDEFINED_VALUE' } });
  expect(third).toMatchObject({ status: 'fulfilled', value: [{ n: 3 }] });
  reserved.release();
});

test('the statement after one that failed in the middle of its rows gets only its own', async () => {
  const sql = open();
  const failing = failure(sql`select 1 / (3 - n) from generate_series(1, 5) as n`);
  expect(await failing).toMatchObject({ code: '22012' });
  expect(await sql`select n from generate_series(1, 3) as n`).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test('a statement that is prepared again sends its values as they were', async () => {
  const sql = open();
  await sql`create temporary table twice (flag boolean, document jsonb)`;
  await sql`insert into twice values (true, '{"a": 1}')`;
  const document = { a: 1 };
  const find = () => sql`select * from twice where flag = ${true} and document = ${sql.json(document)}`;
  expect(await find()).toHaveLength(1);
  await sql`alter table twice add column more text`;
  expect(await find()).toHaveLength(1);
});
