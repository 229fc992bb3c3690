import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { rollback } from '@osa/core/hook/live';
import { postgresStore } from '@osa/core/postgres/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

const request = (letter: string) =>
  DeployRequest.parse({
    title: 'Quakes',
    description: 'd',
    schema: {
      id: 'quake',
      version: '1.0.0',
      fields: [{ name: 'magnitude', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [
      {
        name: 'energy',
        feature: {
          cardinality: 'one',
          columns: [{ name: 'energy_j', json_type: 'number', required: true, unit: 'J' }],
        },
        config: { a: 1 },
        release: { image: 'x', digest: digest(letter), source_ref: 'git:1' },
      },
    ],
  });

test('deploys, says what is the same, and rolls back', async () => {
  const store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
  const first = await deploy(store, { principal: admin }, request('a'));
  expect(first.changes).toMatchObject({
    convention: 'created',
    schema: 'created',
    hooks: [{ hook: 'created', release: 'created', version: 1, is_live: true }],
  });
  const again = await deploy(store, { principal: admin }, request('a'));
  expect(again.changed).toBe(false);
  const second = await deploy(store, { principal: admin }, request('b'));
  expect(second.changes.hooks).toMatchObject([{ release: 'created', version: 2, live_version: 2 }]);
  const back = await rollback(store, { principal: admin }, 'energy', { reason: 'wrong' });
  expect(back).toMatchObject({ changed: true, from_version: 2, live_version: 1, live_seq: 3 });
  const known = await deploy(store, { principal: admin }, request('b'));
  expect(known.changes.hooks).toMatchObject([
    { release: 'known', version: 2, is_live: false, live_version: 1 },
  ]);
  expect(await store.registry.history('energy', { limit: 10 })).toMatchObject({
    changes: [{ kind: 'rollback', reason: 'wrong' }, {}, {}],
  });
  expect(await store.registry.hook('energy')).toMatchObject({ live: { version: 1, is_live: true } });
  expect(await store.registry.hooks({ limit: 1_000 })).toMatchObject({ items: [{ name: 'energy' }] });
  expect(await store.registry.releases('energy', { limit: 1 })).toMatchObject({
    releases: [{ version: 2, is_live: false }],
  });
  expect(await store.registry.convention('quakes')).toMatchObject({ id: 'quakes', hooks: ['energy'] });
});
