import type { ParsedBody } from '@osa/core/api';
import { activate, rollback } from '@osa/core/hook/live';
import { fingerprint, sha256 } from '@osa/core/hook/release';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import { backendThatRuns } from '../support/database/postgres-support.ts';
import {
  codeOf,
  deployed,
  digestOf,
  historyOf,
  liveOf,
  minted,
  moves,
} from '../support/database/registry-support.ts';

/** A release request that is sent again, as CI does, finds the release that it made and moves nothing. */

let database: TestDatabase;
let store: Store;
let directory: string;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
  const sha = sha256('packed');
  await store.write({ principal: admin }, async ({ registry }) => {
    await registry.recordBlob(sha, 6);
    return {};
  });
  directory = `sha256:${sha}`;
});
afterAll(() => database.close());

type Given = Partial<ParsedBody<'release'>>;

const config = { relation: 'hanks' };
const limits = { timeout_seconds: 60, memory: '1g', cpu: '0.5' };
let made = 0;

/** A hook with two releases of other code; the second is live and has another config and other limits. */
async function twoReleases(): Promise<string> {
  made += 1;
  const name = `again_${made}`;
  await deployed(store, `again-${made}`, [{ name, digest: digestOf('a'), config, limits }]);
  const second = { config: { relation: 'choy' }, limits: { memory: '2g', cpu: '1' } };
  await minted(store, name, { ...codeOf('b'), ...second });
  return name;
}

const back = (hook: string, to: number) => rollback(store, { principal: admin }, hook, { to });

describe.each<[string, () => Given]>([
  ['code alone', () => codeOf('c')],
  ['an image alone', () => ({ image: `x@${digestOf('c')}`, source_ref: 'git:c' })],
  ['code and config', () => ({ ...codeOf('c'), config: { relation: 'kanamori' } })],
  ['code and one key of the config', () => ({ ...codeOf('c'), set: { relation: 'kanamori' } })],
  ['code and another key', () => ({ ...codeOf('c'), set: { depth: { unit: 'km' } } })],
  ['code, config and a key of it', () => ({ ...codeOf('c'), config: { a: 1 }, set: { a: 2 } })],
  ['code and one limit', () => ({ ...codeOf('c'), limits: { memory: '3g' } })],
  ['code and runtime', () => ({ ...codeOf('c'), runtime: 'image' as const })],
  ['a directory', () => ({ digest: directory, command: ['node', 'hook.mjs'], source_ref: 'git:d' })],
])('%s, released, rolled back and released again', (_name, given) => {
  test('is the known release, and the rollback holds', async () => {
    const hook = await twoReleases();
    expect(await minted(store, hook, given())).toMatchObject({ created: true, version: 3, is_live: true });
    await back(hook, 1);
    expect(await minted(store, hook, given())).toMatchObject({
      created: false,
      version: 3,
      live: false,
      is_live: false,
      live_version: 1,
    });
    expect(moves(await historyOf(store, hook))).toBe('-1 1-2 2-3 3-1');
  });
});

test.each<[string, Given]>([
  ['config', { config: {} }],
  ['memory', { limits: { memory: '4g' } }],
  ['cpu', { limits: { cpu: '4' } }],
  ['time', { limits: { timeout_seconds: 4 } }],
])('the same code with another %s is another release, filled from the live one', async (_name, said) => {
  const hook = await twoReleases();
  await minted(store, hook, codeOf('c'));
  await back(hook, 1);
  expect(await minted(store, hook, { ...codeOf('c'), ...said })).toMatchObject({ created: true, version: 4 });
  expect(await store.registry.release(hook, 4)).toMatchObject({
    digest: digestOf('c'),
    config: said.config ?? config,
    limits: { ...limits, ...said.limits },
  });
});

test('keys that are set change these keys of the live config and no others', async () => {
  const hook = await twoReleases();
  await minted(store, hook, { config: { kept: 1, changed: 1, nested: { a: 1, b: 2 } } });
  await minted(store, hook, { set: { changed: 2, nested: { a: 1 }, added: null } });
  expect((await store.registry.release(hook, 4))?.config).toEqual({
    kept: 1,
    changed: 2,
    nested: { a: 1 },
    added: null,
  });
  // A key of which only a part agrees is another value.
  expect(await minted(store, hook, { set: { nested: {} } })).toMatchObject({ created: true, version: 5 });
  expect(await minted(store, hook, { set: { nested: {} } })).toMatchObject({ created: false, version: 5 });
});

test('the same directory with another command is another release', async () => {
  const hook = await twoReleases();
  const given = { digest: directory, command: ['node', 'hook.mjs'], source_ref: 'git:d' };
  await minted(store, hook, given);
  await back(hook, 1);
  const other = { ...given, command: ['node', 'other.mjs'] };
  expect(await minted(store, hook, other)).toMatchObject({ created: true, version: 4 });
  // The command is left out here: the newest release of this directory is the known one.
  expect(await minted(store, hook, { digest: directory })).toMatchObject({ created: false, version: 4 });
});

test.each(['4096m', '4g', '4Gi', '4194304k', '4294967296'])('memory agrees as %s', async (memory) => {
  const hook = await twoReleases();
  await minted(store, hook, { ...codeOf('c'), limits: { memory: '4g', cpu: '2' } });
  await back(hook, 1);
  const given = { ...codeOf('c'), limits: { memory, cpu: '2.0' } };
  expect(await minted(store, hook, given)).toMatchObject({ created: false, version: 3 });
});

test('of several releases that agree it is the live one, else the newest', async () => {
  const hook = await twoReleases();
  await minted(store, hook, codeOf('c'));
  await minted(store, hook, { ...codeOf('c'), limits: { memory: '3g' } });
  expect(await minted(store, hook, codeOf('c'))).toMatchObject({ created: false, version: 4, is_live: true });
  await back(hook, 3);
  expect(await minted(store, hook, codeOf('c'))).toMatchObject({ created: false, version: 3, is_live: true });
  await back(hook, 1);
  expect(await minted(store, hook, codeOf('c'))).toMatchObject({
    created: false,
    version: 4,
    is_live: false,
  });
});

test('without a digest the live code is meant: a change of it is known after a rollback, too', async () => {
  const hook = await twoReleases();
  await minted(store, hook, { limits: { cpu: '2' } });
  await minted(store, hook, { config: { relation: 'kanamori' } });
  await back(hook, 2);
  expect(await minted(store, hook, { config: { relation: 'kanamori' } })).toMatchObject({
    created: false,
    version: 4,
    is_live: false,
    live_version: 2,
  });
});

test('a deploy that leaves out config and limits holds after a rollback, too', async () => {
  const hook = await twoReleases();
  const again = () => deployed(store, `again-${made}`, [{ name: hook, digest: digestOf('c') }]);
  expect((await again()).changes.hooks).toMatchObject([{ release: 'created', version: 3 }]);
  await back(hook, 1);
  expect((await again()).changes.hooks).toMatchObject([{ release: 'known', version: 3, live_version: 1 }]);
  await activate(store, { principal: admin }, hook, { version: 2 });
  expect((await again()).changes.hooks).toMatchObject([{ release: 'known', version: 3, live_version: 2 }]);
  expect(moves(await historyOf(store, hook))).toBe('-1 1-2 2-3 3-1 1-2');
});

test('a release that was minted and rolled back while a request waited is known to it', async () => {
  const hook = await twoReleases();
  const rival = postgresStore(database.open(database.appUrl, { max: 1 }), { domain: 'localhost' });
  const watcher = database.open(database.ownerUrl, { max: 1 });
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof minted>>();
  await rival.write({ principal: admin }, async ({ registry }) => {
    const locked = await registry.holdHook(hook);
    if (!locked) throw new Error('the hook is gone');
    const waiting = minted(store, hook, codeOf('c'));
    await backendThatRuns(watcher, 'mint_release');
    resolve(waiting);
    const content = {
      ...{ runtime: 'image' as const, image: 'x', command: null, config },
      ...{ ...codeOf('c'), limits: { ...limits, memory: '3g' } },
    };
    const pointer = { live: false, reason: null, expected: {}, told: false };
    const seen = { seen: 2, seenReleases: 2, carriesDigest: false };
    await registry.mint({ hook, content, fingerprint: fingerprint(content), ...pointer, ...seen });
    return {};
  });
  expect(await promise).toMatchObject({ created: false, version: 3, is_live: false, live_version: 2 });
  expect(moves(await historyOf(store, hook))).toBe('-1 1-2');
});

test('of requests at once that leave out different parts, none is minted over a known one', async () => {
  const hook = await twoReleases();
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, index) =>
      minted(store, hook, { ...codeOf('c'), ...(index % 2 === 1 && { limits: { memory: '2g' } }) }),
    ),
  );
  expect(answers.filter(({ created }) => created)).toHaveLength(1);
  expect(new Set(answers.map(({ version }) => version))).toEqual(new Set([3]));
  expect(await liveOf(store, hook)).toBe(3);
});
