import { readEvents } from '@osa/core/events/events';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { beforeAll, describe, expect, test } from 'vitest';
import { admin, testDatabase } from '../support/database/database.ts';

/** The one order of events: no reader ever misses one, whenever the transaction that wrote it commits. */

let [app, owner]: Database[] = [];
let store: Store;
beforeAll(async () => {
  const database = await testDatabase();
  app = database.open(database.appUrl, { max: 12 });
  owner = database.open(database.ownerUrl, { max: 2 });
  store = postgresStore(app, { domain: 'localhost' });
  return () => database.close();
});

const reader = { ...admin, scopes: new Set(['events:read']) };
const write = (sql: Database['sql'], name: string) =>
  sql`insert into events (type, payload) values ('test', ${sql.json({ name })}::jsonb)`;

async function readAll(after: number, limit = 100): Promise<{ names: unknown[]; after: number }> {
  const names: unknown[] = [];
  for (let place = after; ; ) {
    const page = await readEvents(store, reader, { after: place, limit });
    names.push(...page.items.map(({ payload }) => payload.name));
    place = page.after;
    if (!page.has_more) return { names, after: place };
  }
}

test('an event of a transaction that commits late comes after those that were read before', async () => {
  if (!app) throw new Error('no database');
  const { after: start } = await readAll(0);
  const [isWritten, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const late = app.transaction(async (tx) => {
    await write(tx as never, 'late');
    isWritten.resolve();
    await mayCommit.promise;
  });
  await isWritten.promise;
  await write(app.sql, 'early');
  const first = await readAll(start);
  expect(first.names).toEqual(['early']);
  mayCommit.resolve();
  await late;
  // The id of the late one is lower, and it is not lost.
  expect((await readAll(first.after)).names).toEqual(['late']);
  expect((await readAll(start, 1)).names).toEqual(['early', 'late']);
});

test('readers that go on from their last place see every event of many writers once', async () => {
  const database = app;
  if (!database) throw new Error('no database');
  const { after: start } = await readAll(0);
  const [writers, each] = [6, 40];
  let isWriting = true;
  const writing = Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let index = 0; index < each; index++) {
        await database.transaction(async (tx) => {
          await write(tx as never, `${writer}.${index}.a`);
          await tx`select pg_sleep(${Math.random() / 200})`;
          await write(tx as never, `${writer}.${index}.b`);
        });
      }
    }),
  ).finally(() => {
    isWriting = false;
  });
  const follow = async () => {
    const seen: unknown[] = [];
    // While another reader gives events their places, a reading may end before the newest ones: the next one has them.
    for (let [place, further] = [start, 0]; further < 100; further += isWriting ? 0 : 1) {
      const { names, after } = await readAll(place, 7);
      seen.push(...names);
      place = after;
      if (seen.length >= writers * each * 2) break;
    }
    return seen;
  };
  const [one, other] = await Promise.all([follow(), follow(), writing]);
  expect(one).toHaveLength(writers * each * 2);
  expect(new Set(one).size).toBe(one.length);
  expect(other).toEqual(one);
  // One writer's events stay in the order of its acts.
  for (let writer = 0; writer < writers; writer++) {
    const own = one.filter((name) => String(name).startsWith(`${writer}.`));
    expect(own).toEqual(
      Array.from({ length: each }, (_, index) => [`${writer}.${index}.a`, `${writer}.${index}.b`]).flat(),
    );
  }
});

test('a type is looked for a bounded part at a time', async () => {
  const page = await readEvents(store, reader, { after: 0, limit: 5, type: 'nothing' });
  expect(page).toMatchObject({ items: [], has_more: false });
  const last = await readEvents(store, reader, { last: 3, limit: 100 });
  expect(last.items).toHaveLength(3);
});

test('the last ones and those after a place exclude each other, and reading takes events:read on all', async () => {
  await expect(readEvents(store, reader, { after: 1, last: 1, limit: 1 })).rejects.toMatchObject({
    code: 'invalid',
  });
  for (const scopes of [['runs:read'], ['events:read:x']]) {
    const other = { ...admin, scopes: new Set(scopes) };
    await expect(readEvents(store, other, { limit: 1 })).rejects.toMatchObject({ code: 'access_denied' });
  }
});

describe('the order only grows', () => {
  test.each([
    ['update event_order set seq = seq + 1000'],
    ['delete from event_order'],
    ['insert into event_order (seq, event) select 100000, id from events limit 1'],
    ['delete from event_arrivals'],
    ['insert into event_arrivals (event) values (1)'],
  ])('the application cannot: %s', async (text) => {
    await expect(app?.sql.unsafe(text)).rejects.toMatchObject({ code: '42501' });
  });

  test('and neither can the owner rewrite it', async () => {
    await readAll(0);
    await expect(owner?.sql.unsafe('delete from event_order')).rejects.toMatchObject({ code: '42501' });
    await expect(owner?.sql.unsafe('update event_order set seq = seq + 1000')).rejects.toMatchObject({
      code: '42501',
    });
  });
});
