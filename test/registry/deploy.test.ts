import { deploy } from '@osa/core/convention/deploy';
import { activate, rollback } from '@osa/core/hook/live';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import {
  type Declared,
  deployed,
  digestOf,
  historyOf,
  liveOf,
  minted,
  moves,
  person,
  refusal,
  request,
  rowCounts,
} from '../support/database/registry-support.ts';
import { images, notImages } from '../support/fixtures/images.ts';

/** A deploy of which something is stored already: again, after a rollback, another's, another contract. */

let database: TestDatabase;
let owner: Database;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  owner = database.open(database.ownerUrl, { max: 1 });
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
});
afterAll(() => database.close());

/** The refusal of `work`, which has written nothing. */
async function refusedWhole(work: () => Promise<unknown>) {
  const before = await rowCounts(owner);
  const error = await refusal(work());
  expect(await rowCounts(owner)).toEqual(before);
  return error;
}

describe('a known release', () => {
  const name = 'rolled';
  const first = () => deployed(store, 'rolled', [{ name, digest: digestOf(1) }]);
  const second = (activating = false, ...scopes: string[]) =>
    deploy(
      store,
      { principal: scopes.length > 0 ? person(...scopes) : admin },
      request('rolled', [{ name, digest: digestOf(2) }]),
      { activate: activating },
    );

  beforeAll(async () => {
    await first();
    await second();
    await rollback(store, { principal: admin }, name, { reason: 'wrong' });
  });

  test('that was rolled back stays so when it is deployed again', async () => {
    const answer = await second();
    expect(answer.changed).toBe(false);
    expect(answer.changes.hooks).toMatchObject([
      { release: 'known', version: 2, is_live: false, live_version: 1, activated: false },
    ]);
    expect(moves(await historyOf(store, name))).toBe('-1 1-2 2-1');
  });

  test('is not activated without the right to its hook', async () => {
    for (const scope of ['conventions:write', 'conventions:write:rolled']) {
      const error = await refusedWhole(() => second(true, scope, 'hooks:write:other'));
      expect(error).toMatchObject({
        code: 'access_denied',
        field: 'hooks.rolled',
        details: { scope: 'hooks:write:rolled', owner: 'rolled' },
      });
    }
  });

  test('is activated where that is asked for, once', async () => {
    const answer = await second(true, 'conventions:write:rolled', 'hooks:write:rolled');
    expect(answer.changed).toBe(true);
    expect(answer.changes.hooks).toMatchObject([
      { release: 'known', version: 2, is_live: true, live_version: 2, activated: true },
    ]);
    expect((await historyOf(store, name)).at(-1)).toMatchObject({
      kind: 'activate',
      from_version: 1,
      to_version: 2,
      actor: { subject: 'conventions:write:rolled hooks:write:rolled' },
    });
    // A release that is live already takes no right to the hook, and moves nothing.
    const again = await second(true, 'conventions:write');
    expect(again).toMatchObject({
      changed: false,
      changes: { hooks: [{ is_live: true, activated: false }] },
    });
    expect(await historyOf(store, name)).toHaveLength(4);
  });

  test('that is older can be activated by a deploy of it', async () => {
    const answer = await deployed(store, 'rolled', [{ name, digest: digestOf(1) }], { activate: true });
    expect(answer.changes.hooks).toMatchObject([{ version: 1, live_version: 1, activated: true }]);
    await activate(store, { principal: admin }, name, { version: 2 });
  });
});

describe('image-05: what makes another release', () => {
  test.each<[string, Partial<Declared>, 'created' | 'known']>([
    ['the same', {}, 'known'],
    ['another digest', { digest: digestOf('b') }, 'created'],
    ['another config', { config: { b: 1, a: { y: 1, x: 3 } } }, 'created'],
    ['config with reordered keys', { config: { a: { x: 2, y: 1 }, b: 1 } }, 'known'],
    ['config with reordered elements', { config: { b: 1, a: { y: 1, x: 2 }, list: [2, 1] } }, 'created'],
    ['memory in another unit', { limits: { memory: '1024m' } }, 'known'],
    ['more memory', { limits: { memory: '1025m' } }, 'created'],
    ['cpu with another zero', { limits: { cpu: '0.50' } }, 'known'],
    ['more cpu', { limits: { cpu: '0.51' } }, 'created'],
    ['the default limits, written down', { limits: { timeout_seconds: 300 } }, 'known'],
    ['another image of the same digest', { release: { image: 'elsewhere' } }, 'known'],
    ['another source ref', { release: { source_ref: 'git:2' } }, 'known'],
  ])('%s', async (what, changed, expected) => {
    const slug = what.replaceAll(/[^a-z]+/g, '-');
    const base = {
      name: slug.replaceAll('-', '_'),
      digest: digestOf('a'),
      config: { b: 1, a: { y: 1, x: 2 } },
    };
    await deployed(store, slug, [base]);
    const answer = await deployed(store, slug, [{ ...base, ...changed }]);
    const version = expected === 'known' ? 1 : 2;
    expect(answer.changes.hooks).toMatchObject([{ release: expected, version, live_version: version }]);
    expect(answer.changed).toBe(expected === 'created');
  });

  test('another command over the same directory', async () => {
    await store.write({ principal: admin }, async ({ registry }) => {
      await registry.recordBlob(digestOf('packed').slice(7), 6);
      return {};
    });
    const over = (...command: string[]) =>
      deployed(store, 'commands', [
        {
          name: 'commands',
          digest: digestOf('packed'),
          release: { runtime: 'directory', image: undefined, command },
        },
      ]);
    await over('node', 'a.mjs');
    expect((await over('node', 'a.mjs')).changes.hooks).toMatchObject([{ release: 'known', version: 1 }]);
    expect((await over('node', 'b.mjs')).changes.hooks).toMatchObject([{ release: 'created', version: 2 }]);
  });

  test('an image is named without its digest', () => {
    const image = `x@${digestOf('b')}`;
    const ask = () => request('stray', [{ name: 'stray', digest: digestOf('b'), release: { image } }]);
    expect(ask).toThrow(expect.objectContaining({ issues: [expect.objectContaining({ path: imagePath })] }));
  });

  test.each(notImages)('%j is no name of an image', (image) => {
    const ask = () => request('stray', [{ name: 'stray', digest: digestOf('b'), release: { image } }]);
    expect(ask).toThrow(expect.objectContaining({ issues: [expect.objectContaining({ path: imagePath })] }));
  });

  test.each(images)('%j is a name of an image', (image) => {
    const release = { image };
    expect(
      request('named', [{ name: 'named', digest: digestOf('b'), release }]).hooks[0]?.release,
    ).toMatchObject(release);
  });
});

const imagePath = ['hooks', 0, 'release', 'image'];

describe("another convention's hook", () => {
  const shared = { name: 'shared', digest: digestOf(1) };
  const guest = (hook: Declared, ...scopes: string[]) =>
    deploy(store, { principal: person(...scopes) }, request('guest', [hook]));

  beforeAll(() => deployed(store, 'host', [shared]));

  test('with a release that is known needs the right to conventions only', async () => {
    const answer = await guest(shared, 'conventions:write:guest');
    expect(answer.changes.hooks).toMatchObject([
      { name: 'shared', owner: 'host', hook: 'unchanged', release: 'known', version: 1, is_live: true },
    ]);
    expect(await store.registry.convention('guest')).toMatchObject({ hooks: ['shared'] });
  });

  test('with another digest is refused, and its owner named', async () => {
    const scopes = ['conventions:write', 'hooks:write:other'];
    const error = await refusedWhole(() => guest({ ...shared, digest: digestOf(2) }, ...scopes));
    expect(error).toMatchObject({
      code: 'access_denied',
      field: 'hooks.shared',
      details: { scope: 'hooks:write:shared', owner: 'host' },
    });
    expect(error.message).toContain('host');
  });

  test("is released with the right to it, and stays the owner's", async () => {
    const answer = await guest(
      { ...shared, digest: digestOf(2) },
      'conventions:write:guest',
      'hooks:write:shared',
    );
    expect(answer.changes.hooks).toMatchObject([{ owner: 'host', release: 'created', version: 2 }]);
    expect(await store.registry.hook('shared')).toMatchObject({ owner: 'host', live: { version: 2 } });
    const next = await deploy(
      store,
      { principal: person('conventions:write:host') },
      request('host', [{ ...shared, digest: digestOf(3) }]),
    );
    expect(next.changes.hooks).toMatchObject([{ release: 'created', version: 3 }]);
  });

  test('needs the right to the convention that is deployed', async () => {
    const error = await refusedWhole(() => guest(shared, 'conventions:write:host', 'hooks:write'));
    expect(error).toMatchObject({ code: 'access_denied', details: { scope: 'conventions:write:guest' } });
  });
});

describe('a deploy that is refused does nothing', () => {
  const fields = (type: string, unit?: string) => [
    {
      name: 'value',
      type,
      required: true,
      cardinality: 'exactly_one',
      ...(unit && { constraints: { type, unit } }),
    },
  ];
  const schema = (type: string, unit?: string) => ({
    schema: { id: 'pinned', version: '1.0.0', fields: fields(type, unit) },
  });

  beforeAll(() => deployed(store, 'pinned', [{ name: 'pinned' }], { overrides: schema('number') }));

  test.each([
    ['its own', 'pinned'],
    ["another convention's", 'newcomer'],
  ])('another field type under %s schema version', async (_name, slug) => {
    const hooks = [{ name: 'pinned', digest: digestOf(2) }, { name: 'fresh' }];
    const overrides = { ...schema('text'), title: 'Changed' };
    const error = await refusedWhole(() => deployed(store, slug, hooks, { overrides }));
    expect(error).toMatchObject({
      code: 'conflict',
      field: 'schema.fields.value.type',
      details: { differences: [{ path: 'schema.fields.value.type', from: 'number', to: 'text' }] },
    });
    expect(error.message).toContain('pinned@1.0.0');
    const tables = await owner.sql`
      select from pg_catalog.pg_class where relname = 'fresh' and relnamespace in ('features'::regnamespace, 'current'::regnamespace)`;
    expect(tables).toHaveLength(0);
    expect(await store.registry.hook('fresh')).toBeUndefined();
    expect(await liveOf(store, 'pinned')).toBe(1);
    expect(await store.registry.convention('newcomer')).toBeUndefined();
    expect((await store.registry.convention('pinned'))?.title).toBe('Convention pinned');
    expect((await store.registry.deploys({ limit: 10, convention: slug })).items).toHaveLength(
      slug === 'pinned' ? 1 : 0,
    );
  });

  test('another unit, another contract: each difference is listed', async () => {
    const columns = [{ name: 'value', json_type: 'number', required: true, unit: 'J' }];
    const error = await refusedWhole(() =>
      deployed(store, 'pinned', [{ name: 'fresh' }, { name: 'pinned', columns }], {
        overrides: schema('number', 'm'),
      }),
    );
    expect(error).toMatchObject({
      code: 'conflict',
      details: {
        differences: [
          { path: 'schema.fields.value.unit', from: null, to: 'm' },
          { path: 'hooks[1].feature.columns.value.unit', from: null, to: 'J' },
        ],
      },
    });
  });

  test('a directory that was not uploaded', async () => {
    const release = { runtime: 'directory', image: undefined, command: ['node'] };
    const hooks = [{ name: 'fresh' }, { name: 'fresher', digest: digestOf('absent'), release }];
    const error = await refusedWhole(() => deployed(store, 'newcomer', hooks));
    expect(error).toMatchObject({ code: 'invalid', field: 'hooks[1].release.digest' });
  });
});

test('a release in between is not undone by a deploy of what it replaced', async () => {
  const declared = { name: 'between', digest: digestOf(1), config: { a: 1 } };
  await deployed(store, 'between', [declared]);
  await minted(store, 'between', { config: { a: 2 } });
  const answer = await deployed(store, 'between', [declared]);
  expect(answer.changes.hooks).toMatchObject([
    { release: 'known', version: 1, is_live: false, live_version: 2 },
  ]);
});
