import type { Database } from '@osa/core/postgres/connection/connect';
import { registryReads } from '@osa/core/postgres/registry/reads';
import { postgresStore } from '@osa/core/postgres/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database/database.ts';
import { deployed, digestOf } from '../support/database/registry-support.ts';
import { stopAutovacuum, type TableReads, tableReads } from '../support/database/table-reads.ts';

/**
 * Many releases, hooks and conventions: a look-up reads what it answers with, and not the rest. The server's own
 * counters show the reads of the adapter's statements, so that a slow machine fails nothing.
 */

const releases = 10_000;
const conventions = 100;
const hooksEach = 10;

let database: TestDatabase;
/** One connection, which reports what it has read when it is asked. */
let reader: Database;
let owner: Database;
beforeAll(async () => {
  database = await testDatabase();
  reader = database.open(database.appUrl, { max: 1 });
  owner = database.open(database.ownerUrl, { max: 1 });
  const store = postgresStore(database.open(database.appUrl, { max: 4 }), { domain: 'localhost' });
  await deployed(store, 'crowded', [{ name: 'crowded', digest: digestOf(1) }]);
  await mintBySql();
  for (let index = 0; index < conventions; index += 1) {
    const hooks = Array.from({ length: hooksEach }, (_, n) => ({ name: `hook_${index}_${n}` }));
    await deployed(store, `convention-${index}`, hooks);
  }
  await owner.sql`vacuum analyze`;
  await stopAutovacuum(owner);
}, 180_000);
afterAll(() => database.close());

/**
 * Mints as the owner, set by set. Only the trigger that counts releases one at a time is set aside; keys and the
 * deferred triggers prove that what is left is whole.
 */
async function mintBySql(): Promise<void> {
  await owner.sql`alter table hooks disable trigger guard`;
  await owner.transaction(async (tx) => {
    await tx`
      insert into releases (id, hook, version, runtime, image, digest, config, limits, fingerprint, source_ref, built_by)
      select gen_random_uuid(), hook, n, runtime, image, digest, config, limits, lpad(to_hex(n), 64, '0'), source_ref,
             built_by
      from releases, generate_series(2, ${releases}::integer) n where hook = 'crowded'`;
    await tx`
      insert into live_changes (hook, seq, from_version, to_version, kind, actor)
      select hook, n, n - 1, n, 'release', actor
      from live_changes, generate_series(2, ${releases}::integer) n where hook = 'crowded'`;
    await tx`
      update hooks set release_count = ${releases}, live_seq = ${releases}, live_version = ${releases}
      where name = 'crowded'`;
  });
  await owner.sql`alter table hooks enable trigger guard`;
}

const tables = ['releases', 'live_changes', 'deploys', 'hooks', 'conventions', 'runs'] as const;
type Readings = Record<(typeof tables)[number], Omit<TableReads, 'looks'>>;

/** The reads of one call of `look`. It is made often enough for the server to settle on a plan. */
async function readBy(look: () => Promise<unknown>): Promise<Readings> {
  for (let call = 0; call < 10; call += 1) await look();
  const before = await tableReads(reader, tables);
  for (let call = 0; call < 10; call += 1) await look();
  const after = await tableReads(reader, tables);
  const entries = tables.map((name) => {
    const of = (key: 'scans' | 'entries') =>
      (after.get(name)?.[key] ?? Number.NaN) - (before.get(name)?.[key] ?? 0);
    return [name, { scans: of('scans'), entries: of('entries') / 10 }] as const;
  });
  return Object.fromEntries(entries) as Readings;
}

const reads = () => registryReads(reader);
const limit = 50;

/** The cursor after so many elements of a list. */
function cursorAfter(list: 'listReleases' | 'history', elements: number): string {
  const place = { list, s: null, id: releases + 1 - elements };
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

describe('of a hook with 10,000 releases', () => {
  const looks: [string, () => Promise<unknown>][] = [
    ['the hook', () => reads().hook('crowded')],
    ['a release', () => reads().release('crowded', 4_711)],
    ['the first page of releases', () => reads().releases('crowded', { limit })],
    [
      'a page of releases far down',
      () => reads().releases('crowded', { limit, cursor: cursorAfter('listReleases', 9_000) }),
    ],
    ['the first page of the history', () => reads().history('crowded', { limit })],
    [
      'a page of the history far down',
      () => reads().history('crowded', { limit, cursor: cursorAfter('history', 9_000) }),
    ],
  ];

  test.each(looks)('%s is read by index, and no further than its page', async (_name, look) => {
    const found = await readBy(look);
    for (const name of tables) {
      // The planner scans a table that is one page long.
      if (name === 'runs') continue;
      expect([name, found[name].scans]).toEqual([name, 0]);
      expect(found[name].entries).toBeLessThanOrEqual(limit + 1);
    }
  });

  test('each page is what it should be', async () => {
    const page = await reads().releases('crowded', { limit, cursor: cursorAfter('listReleases', 9_000) });
    expect(page?.releases.map(({ version }) => version)).toEqual(
      Array.from({ length: limit }, (_, index) => releases - 9_000 - index),
    );
    expect(page).toMatchObject({ live_version: releases });
  });
});

describe('of 100 conventions and 1,000 hooks', () => {
  test('the list of hooks reads each hook and its live release once', async () => {
    const { items } = await reads().hooks({ limit: 2_000 });
    expect(items).toHaveLength(conventions * hooksEach + 1);
    const found = await readBy(() => reads().hooks({ limit: 2_000 }));
    expect(found.releases.entries).toBeLessThanOrEqual(items.length);
    expect(found.hooks.scans + found.releases.scans).toBeLessThanOrEqual(20);
  });

  test.each<[string, string | undefined, string | undefined]>([
    ['all deploys', undefined, undefined],
    ['the deploys of one convention', 'convention-7', undefined],
    ['the deploys of the oldest convention', 'crowded', undefined],
  ])('a page of %s reads that page', async (_name, convention) => {
    const found = await readBy(() => reads().deploys({ limit: 10, convention }));
    expect(found.deploys.scans).toBe(0);
    expect(found.deploys.entries).toBeLessThanOrEqual(11);
  });

  test('a convention is read by index', async () => {
    expect((await reads().convention('convention-7'))?.hooks).toHaveLength(hooksEach);
    const found = await readBy(() => reads().convention('convention-7'));
    expect(found.conventions.entries).toBeLessThanOrEqual(1);
    expect((await reads().conventions({ limit: 1_000 })).items).toHaveLength(conventions + 1);
  });
});
