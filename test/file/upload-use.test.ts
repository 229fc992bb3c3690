import { forgetUploadUse, uploadUse } from '@osa/core/postgres/upkeep/upload-use';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';

/** Bytes that somebody may send on a day are counted before they come; those that do not come are given back. */

let database: TestDatabase;
let use: ReturnType<typeof uploadUse>;
beforeAll(async () => {
  database = await testDatabase();
  use = uploadUse(database.open(database.appUrl));
});
afterAll(() => database.close());

const other = { ...admin, subject: 'other' };
const used = async () => {
  const owner = database.open(database.ownerUrl, { max: 1 });
  const rows = await owner.sql<{ subject: string; bytes: number; today: boolean }[]>`
    select a.subject, u.bytes::float8 as bytes, u.day = (now() at time zone 'UTC')::date as today
    from upload_use u join actors a on a.id = u.actor order by 1, 3`;
  return rows.map(({ subject, bytes, today }) => [subject, bytes, today]);
};

test('parts that are sent at once stay within the bound together, each actor for itself', async () => {
  const parts = await Promise.all([1, 2, 3, 4].map(() => use.reserve(admin, 400, 1_000)));
  const refused = parts.filter((part) => part !== 'reserved');
  expect(refused).toHaveLength(2);
  for (const { waitSeconds } of refused) {
    expect(waitSeconds).toBeGreaterThan(0);
    expect(waitSeconds).toBeLessThanOrEqual(86_400);
  }
  expect(await use.reserve(other, 1_001, 1_000)).not.toBe('reserved');
  expect(await use.reserve(other, 1_000, 1_000)).toBe('reserved');
  expect(await used()).toEqual([
    [admin.subject, 800, true],
    ['other', 1_000, true],
  ]);
});

test('what was not sent is given back, and never more', async () => {
  await use.giveBack(admin, 300);
  expect(await use.reserve(admin, 500, 1_000)).toBe('reserved');
  await use.giveBack(other, 5_000);
  expect(await used()).toEqual([
    [admin.subject, 1_000, true],
    ['other', 0, true],
  ]);
});

test('the sweep forgets the days before yesterday, and counts of today stay', async () => {
  const owner = database.open(database.ownerUrl, { max: 1 });
  await owner.sql`
    insert into upload_use (actor, day, bytes)
    select id, (now() at time zone 'UTC')::date - back, 7 from actors, unnest(array[1, 2, 30]) as b (back)
    where subject = 'other'`;
  await forgetUploadUse(database.open(database.appUrl));
  expect(await used()).toEqual([
    [admin.subject, 1_000, true],
    ['other', 7, false],
    ['other', 0, true],
  ]);
});
