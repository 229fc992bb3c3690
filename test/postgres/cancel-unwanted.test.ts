import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Database, whileWanted } from '@osa/core/postgres/connection/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/database/database.ts';
import { databaseUrl } from '../support/database/postgres-support.ts';

/** Reads whose result nobody wants any more. */

let server: Awaited<ReturnType<typeof databaseUrl>>;
let database: Database;
let observer: Database;
beforeAll(async () => {
  server = await databaseUrl();
  database = connect({ url: server.url, max: 1, applicationName: 'wanted' });
  observer = connect({ url: server.url, max: 1, applicationName: 'observer' });
});
afterAll(async () => {
  await Promise.all([database.close(), observer.close()]);
  await server.stop();
});

const gone = new Error('the client is gone');

async function running(): Promise<number> {
  const [row] = await observer.sql<{ count: number }[]>`
    select count(*)::integer as count from pg_stat_activity
    where application_name = 'wanted' and state <> 'idle'`;
  return row?.count ?? 0;
}

const sleep = () => database.sql`select pg_sleep(30)`;

describe.each<[string, () => Promise<unknown>]>([
  ['a statement', async () => sleep()],
  ['a transaction', () => database.transaction((tx) => tx`select pg_sleep(30)`, { readOnly: true })],
])('%s', (_name, work) => {
  test('that runs is cancelled, and its connection serves the next one', async () => {
    const [before] = await database.sql`select pg_backend_pid() as pid`;
    const client = new AbortController();
    const asked = whileWanted(client.signal, work);
    await until('the statement to run', async () => (await running()) > 0);
    client.abort(gone);
    await expect(asked).rejects.toBe(gone);
    await until('the server to be idle', async () => (await running()) === 0);
    const [after] = await database.sql`select pg_backend_pid() as pid`;
    expect(after).toEqual(before);
  });

  test('that waits for a connection is dropped', async () => {
    const [holder, waiter] = [new AbortController(), new AbortController()];
    const first = whileWanted(holder.signal, async () => sleep());
    await until('the statement to run', async () => (await running()) > 0);
    const second = whileWanted(waiter.signal, work);
    waiter.abort(gone);
    await expect(second).rejects.toBe(gone);
    holder.abort(gone);
    await expect(first).rejects.toBe(gone);
  });

  test('is not begun if nobody wants it', async () => {
    await expect(whileWanted(AbortSignal.abort(gone), work)).rejects.toBe(gone);
  });
});

test('a cancellation, whenever it comes, never hits the next statement of the connection', async () => {
  for (let round = 0; round < 300; round += 1) {
    const client = new AbortController();
    const asked = whileWanted(
      client.signal,
      async () => database.sql`select pg_sleep(${(round % 5) / 1_000}::float8)`,
    );
    const settled = asked.then(
      () => 'answered',
      (error: unknown) => error,
    );
    const next = settled.then(async () => database.sql`select 1 as one`);
    await delay(round % 7);
    client.abort(gone);
    expect(['answered', gone]).toContain(await settled);
    expect(await next).toEqual([{ one: 1 }]);
  }
});
