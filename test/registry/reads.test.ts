import { activate, rollback } from '@osa/core/hook/live';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import {
  deployed,
  digestOf,
  historyOf,
  hookWith,
  person,
  refusal,
} from '../support/database/registry-support.ts';

/** Looking up: lists in pages, what was live when, and what was deployed. */

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
});
afterAll(() => database.close());

interface Paged {
  readonly next_cursor: string | null;
}

/** All pages of a list, each with `limit` elements but the last. */
async function pages<P extends Paged, T>(
  read: (cursor: string | undefined) => Promise<P | undefined>,
  items: (page: P) => readonly T[],
): Promise<T[][]> {
  const found: T[][] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    if (!page) throw new Error('there is nothing to page through');
    found.push([...items(page)]);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && found.length < 100);
  return found;
}

describe('releases', () => {
  test('come newest first, in pages, each with whether it is live', async () => {
    await hookWith(store, 'paged', 5);
    await rollback(store, { principal: admin }, 'paged', { to: 3 });
    const found = await pages(
      (cursor) => store.registry.releases('paged', { limit: 2, cursor }),
      ({ live_version, releases }) =>
        releases.map(({ version, is_live }) => [version, is_live, live_version]),
    );
    expect(found).toEqual([
      [
        [5, false, 3],
        [4, false, 3],
      ],
      [
        [3, true, 3],
        [2, false, 3],
      ],
      [[1, false, 3]],
    ]);
  });

  test('say one thing in each place', async () => {
    await hookWith(store, 'told', 2);
    const shown = await store.registry.hook('told');
    const detail = await store.registry.release('told', 2);
    const list = await store.registry.releases('told', { limit: 10 });
    const { items } = await store.registry.hooks({ limit: 1_000 });
    if (!detail) throw new Error('release 2 is not there');
    const { rows, live, ...release } = detail;
    expect([rows, live]).toEqual([0, true]);
    expect(shown?.live).toEqual(release);
    expect(release).toMatchObject(list?.releases[0] ?? {});
    expect(items.find(({ name }) => name === 'told')?.live_release).toEqual(shown?.live_release);
    expect(shown?.live_release).toEqual({
      version: 2,
      digest: digestOf('told 2'),
      source_ref: 'git:told 2',
      built_at: release.built_at,
    });
    expect(release.built_at).toMatch(/Z$/);
  });

  test('of a hook that is not there, or one that is not there', async () => {
    await hookWith(store, 'single', 1);
    expect(await store.registry.releases('absent', { limit: 1 })).toBeUndefined();
    expect(await store.registry.history('absent', { limit: 1 })).toBeUndefined();
    expect(await store.registry.hook('absent')).toBeUndefined();
    expect(await store.registry.release('absent', 1)).toBeUndefined();
    expect(await store.registry.release('single', 2)).toBeUndefined();
  });

  test('a cursor of another list is refused', async () => {
    await hookWith(store, 'cursors', 2);
    const { deploys, releases, history } = store.registry;
    const after = {
      deploys: (await deploys({ limit: 1 })).next_cursor ?? '',
      releases: (await releases('cursors', { limit: 1 }))?.next_cursor ?? '',
      history: (await history('cursors', { limit: 1 }))?.next_cursor ?? '',
    };
    const refused = { code: 'invalid', field: 'cursor' };
    for (const cursor of ['%%%', 'e30', after.deploys, after.history]) {
      expect(await refusal(releases('cursors', { limit: 1, cursor }))).toMatchObject(refused);
    }
    for (const cursor of ['%%%', 'e30', after.deploys, after.releases]) {
      expect(await refusal(history('cursors', { limit: 1, cursor }))).toMatchObject(refused);
    }
  });
});

test('hooks and conventions come in pages, too, each once', async () => {
  await hookWith(store, 'listed_a', 1);
  await hookWith(store, 'listed_b', 1);
  const { hooks, conventions } = store.registry;
  const all = (await hooks({ limit: 1_000 })).items.map(({ name }) => name);
  const found = await pages(
    (cursor) => hooks({ limit: 2, cursor }),
    ({ items }) => items.map(({ name }) => name),
  );
  expect(found.flat()).toEqual(all);
  expect(all).toEqual(all.toSorted());
  expect(Math.max(...found.map((page) => page.length))).toBe(2);
  const slugs = await pages(
    (cursor) => conventions({ limit: 1, cursor }),
    ({ items, has_more }) => items.map(({ id }) => [id, has_more]),
  );
  const { items, next_cursor } = await conventions({ limit: 1_000 });
  expect(next_cursor).toBeNull();
  expect(slugs.flat()).toEqual(items.map(({ id }, index) => [id, index < items.length - 1]));
});

describe('the history', () => {
  const hook = 'dated';
  beforeAll(async () => {
    await hookWith(store, hook, 3);
    await rollback(store, { principal: person('hooks:write') }, hook, { to: 1, reason: 'drift' });
    await activate(store, { principal: admin }, hook, { version: 2, reason: 'checked' });
  });

  test('says who, why, when, from where to where', async () => {
    const changes = await historyOf(store, hook);
    expect(changes.slice(-2)).toEqual([
      {
        seq: 4,
        kind: 'rollback',
        from_version: 3,
        to_version: 1,
        reason: 'drift',
        actor: { issuer: 'test', subject: 'hooks:write' },
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
      {
        seq: 5,
        kind: 'activate',
        from_version: 1,
        to_version: 2,
        reason: 'checked',
        actor: { issuer: 'test', subject: 'admin' },
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ]);
  });

  test('comes in pages', async () => {
    const found = await pages(
      (cursor) => store.registry.history(hook, { limit: 2, cursor }),
      ({ changes }) => changes.map(({ seq }) => seq),
    );
    expect(found).toEqual([[5, 4], [3, 2], [1]]);
  });

  test('tells what was live at any moment', async () => {
    const changes = await historyOf(store, hook);
    const liveAt = async (at: string) =>
      (await store.registry.history(hook, { limit: 1, at }))?.changes[0]?.to_version;
    for (const { at, to_version } of changes) expect(await liveAt(at)).toBe(to_version);
    // A microsecond before each change, the one before it was live.
    for (const { at, from_version } of changes) {
      expect(await liveAt(microsecondBefore(at))).toBe(from_version ?? undefined);
    }
    expect(await liveAt('2001-01-01T00:00:00Z')).toBeUndefined();
    expect(await liveAt('2901-01-01T00:00:00+01:00')).toBe(2);
  });

  test('until a moment comes in pages too', async () => {
    const [, , third] = await historyOf(store, hook);
    const found = await pages(
      (cursor) => store.registry.history(hook, { limit: 2, cursor, at: third?.at }),
      ({ changes }) => changes.map(({ seq }) => seq),
    );
    expect(found).toEqual([[3, 2], [1]]);
  });
});

/** `at` is in UTC, with up to six digits after the second. */
function microsecondBefore(at: string): string {
  const [, whole = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(at) ?? [];
  const micros = BigInt(Date.parse(`${whole}Z`)) * 1_000n + BigInt(fraction.padEnd(6, '0')) - 1n;
  const second = new Date(Number(micros / 1_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${second}.${String(micros % 1_000_000n).padStart(6, '0')}Z`;
}

describe('deploys', () => {
  const ids: string[] = [];
  beforeAll(async () => {
    for (const version of [1, 2, 2, 3]) {
      const declared = [
        { name: 'listed', digest: digestOf(version), release: { source_ref: `git:${version}` } },
      ];
      ids.push((await deployed(store, 'listed', declared)).deploy_id);
    }
    await deployed(store, 'unlisted', [], { overrides: { source_ref: 'git:own' } });
  });

  test('come newest first, in pages, of one convention or of all', async () => {
    const read = (cursor: string | undefined) =>
      store.registry.deploys({ limit: 3, cursor, convention: 'listed' });
    const found = await pages(read, ({ items }) => items.map(({ id }) => id));
    expect(found).toEqual([ids.slice(1).reverse(), ids.slice(0, 1)]);
    const all = await pages(
      (cursor) => store.registry.deploys({ limit: 1, cursor }),
      ({ items }) => items,
    );
    expect(all.slice(0, 2).map(([item]) => item?.slug)).toEqual(['unlisted', 'listed']);
    expect(all.length).toBeGreaterThan(ids.length);
    expect(all.every((page) => page.length === 1)).toBe(true);
    expect(await store.registry.deploys({ limit: 3, convention: 'absent' })).toEqual({
      items: [],
      next_cursor: null,
    });
  });

  test('say by whom, from which code, and what changed', async () => {
    const { items } = await store.registry.deploys({ limit: 4, convention: 'listed' });
    const [fourth, third, second] = items;
    expect(fourth).toMatchObject({
      slug: 'listed',
      actor: { issuer: 'test', subject: 'admin' },
      source_refs: ['git:3'],
      changed: true,
      changes: { convention: 'unchanged', hooks: [{ name: 'listed', release: 'created', version: 3 }] },
      at: expect.stringMatching(/Z$/),
    });
    expect(third).toMatchObject({ changed: false, manifest_digest: second?.manifest_digest });
    expect(fourth?.manifest_digest).not.toBe(third?.manifest_digest);
    const [unlisted] = (await store.registry.deploys({ limit: 1, convention: 'unlisted' })).items;
    expect(unlisted?.source_refs).toEqual(['git:own']);
  });

  test('are shown with what was sent', async () => {
    const shown = await store.registry.deploy(ids[0] ?? '');
    expect(shown).toMatchObject({
      id: ids[0],
      manifest: { slug: 'listed', hooks: [{ name: 'listed', config: {}, release: { digest: digestOf(1) } }] },
    });
    expect(await store.registry.deploy(crypto.randomUUID())).toBeUndefined();
  });
});
