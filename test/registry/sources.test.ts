import { listReleases, showHook, showRelease } from '@osa/core/hook/read';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import { codeOf, deployed, digestOf, minted } from '../support/database/registry-support.ts';

/** The bytes of a release may be committed after it was made: where else they come from is recorded beside the first. */

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
});
afterAll(() => database.close());

const dirty = `git:${'a'.repeat(40)}-dirty`;
const clean = `git:${'b'.repeat(40)}`;
const later = `git+https://example.org/quakes@${'c'.repeat(40)}`;

async function sourcesOf(hook: string) {
  const shown = await showRelease(store, admin, { name: hook, version: 1 });
  const [listed] = (await listReleases(store, hook, { limit: 10 })).releases;
  const { live } = await showHook(store, admin, hook);
  for (const other of [listed, live]) expect(other?.further_sources).toEqual(shown.further_sources);
  return [shown.source_ref, ...shown.further_sources.map(({ source_ref }) => source_ref)];
}

const declaration = (hook: string, source_ref: string) => [
  { name: hook, digest: digestOf(hook), release: { source_ref } },
];

test('a deploy of the same bytes from a commit records it beside the first source, once', async () => {
  await deployed(store, 'sources-deploy', declaration('of_deploy', dirty));
  const again = await deployed(store, 'sources-deploy', declaration('of_deploy', clean));
  expect(again).toMatchObject({ changed: false });
  expect(again.changes.hooks).toMatchObject([{ release: 'known', version: 1 }]);
  expect(await sourcesOf('of_deploy')).toEqual([dirty, clean]);
  await deployed(store, 'sources-deploy', declaration('of_deploy', clean));
  await deployed(store, 'sources-deploy', declaration('of_deploy', later));
  expect(await sourcesOf('of_deploy')).toEqual([dirty, later, clean]);
  const { further_sources } = await showRelease(store, admin, { name: 'of_deploy', version: 1 });
  expect(further_sources[0]).toMatchObject({
    recorded_by: admin.subject,
    recorded_at: expect.stringMatching(/^\d{4}-.*Z$/),
  });
});

test('a release of the same bytes does so too, and what names no commit for them is not recorded', async () => {
  await deployed(store, 'sources-release', declaration('of_release', clean));
  const given = { digest: digestOf('of_release'), source_ref: later };
  expect(await minted(store, 'of_release', given)).toMatchObject({ created: false, source_ref: clean });
  for (const source_ref of [dirty, 'unknown', clean, later]) {
    await minted(store, 'of_release', { ...given, source_ref });
  }
  await minted(store, 'of_release', { config: {} });
  expect(await sourcesOf('of_release')).toEqual([clean, later]);
});

test('the source of one release is not recorded for another', async () => {
  await deployed(store, 'sources-other', declaration('of_other', clean));
  await minted(store, 'of_other', codeOf('other code'));
  await minted(store, 'of_other', { ...codeOf('other code'), source_ref: later });
  const [second, first] = (await listReleases(store, 'of_other', { limit: 10 })).releases;
  expect(first?.further_sources).toEqual([]);
  expect(second?.further_sources).toMatchObject([{ source_ref: later }]);
});
