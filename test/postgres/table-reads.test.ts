import { expect, onTestFinished, test } from 'vitest';
import { testDatabase } from '../support/database/database.ts';
import { boundedReads } from '../support/database/table-reads.ts';

test('reads of other sessions count for the step in which they were made', async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const [app, other] = [1, 2].map(() => database.open(database.ownerUrl, { max: 1 }));
  if (!app || !other) throw new Error('no pools');
  await other.sql`insert into actors (issuer, subject, uuid) values ('people', 'ada', gen_random_uuid())`;
  const { measure, over } = boundedReads(app, { tables: ['actors'], entriesPerRecord: 0, wholeFrom: 2 });
  const scan = () => other.sql`select * from actors`;
  // A session hands in what it has read once in a second at most.
  for (let n = 0; n < 3; n += 1) await scan();
  await measure('hand in', 1, () => other.sql`select pg_stat_force_next_flush()`);
  expect(over).toEqual([]);
  await measure('read', 1, scan);
  expect(over).toEqual([{ step: 'read', name: 'actors', read: 1, scanned: 1 }]);
});
