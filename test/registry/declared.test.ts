import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database/database.ts';
import { deployed, digestOf } from '../support/database/registry-support.ts';

/** A deploy compared with the stored state. */

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
});
afterAll(() => database.close());

/** A convention that says everything that one may say. */
const whole = {
  license: 'CC-BY-4.0',
  file_requirements: { accepted_types: ['.cif'], min_count: 1, max_count: 2 },
  curation: 'manual',
  approve_own: true,
  docs: { purpose: 'of tests', example_questions: ['why?'], see_also: ['another one'] },
  ingester: { release: { image: 'example.org/ingester:1', digest: digestOf(2) }, config: { page: 10 } },
};

const say = (overrides: object) =>
  deployed(store, 'whole', [{ name: 'whole', digest: digestOf(1) }], { overrides });

test('whatever a convention says, the same deployed again is unchanged', async () => {
  expect(await say(whole)).toMatchObject({ changed: true });
  const { changed, changes } = await say(whole);
  expect([changes.convention, changes.convention_fields, changed]).toEqual(['unchanged', [], false]);
});

test.each([
  ['license', 'CC-BY-4.0', 'CC0-1.0'],
  ['approve_own', true, false],
])('another %s is a change, and named', async (path, from, to) => {
  await say(whole);
  const { changes } = await say({ ...whole, [path]: to });
  expect(changes.convention_fields).toEqual([{ path, from, to }]);
});
