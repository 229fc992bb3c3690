import type { ParsedBody } from '@osa/core/api';
import { routes } from '@osa/core/api';
import { release } from '@osa/core/hook/mint';
import { sha256 } from '@osa/core/hook/release';
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
  hookWith,
  minted,
  moves,
  person,
  refusal,
  rowCounts,
} from '../support/database/registry-support.ts';
import { notImages } from '../support/fixtures/images.ts';

/** Releases without a deploy: what is carried over from the live release, and what counts as the same. */

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
});
afterAll(() => database.close());

type Given = Partial<ParsedBody<'release'>>;

const config = { relation: 'hanks', depth: { least: 1, most: 700 } };
const limits = { timeout_seconds: 60, memory: '1g', cpu: '0.5' };
let made = 0;

/** A hook of its own for a test, with one release; the answer is its name. */
async function oneRelease(): Promise<string> {
  made += 1;
  const name = `carry_${made}`;
  await deployed(store, `carry-${made}`, [{ name, digest: digestOf('a'), config, limits }]);
  return name;
}

async function uploaded(text: string): Promise<string> {
  const sha = sha256(text);
  await store.write({ principal: admin }, async ({ registry }) => {
    await registry.recordBlob(sha, text.length);
    return {};
  });
  return `sha256:${sha}`;
}

/** The stored content of a release. */
async function contentOf(hook: string, version: number): Promise<object> {
  const found = await store.registry.release(hook, version);
  if (!found) throw new Error(`${hook} has no release ${version}`);
  const { runtime, image, digest, command, limits: stored, config: kept, source_ref } = found;
  return { runtime, image, digest, command, limits: stored, config: kept, source_ref };
}

async function expectNothing(hook: string, body: Given, refused: object): Promise<void> {
  const owner = database.open(database.ownerUrl, { max: 1 });
  const before = await rowCounts(owner);
  expect(await refusal(minted(store, hook, body))).toMatchObject(refused);
  expect(await rowCounts(owner)).toEqual(before);
}

test.each<[string, Given, object]>([
  ['another config', { config: { relation: 'other' } }, { config: { relation: 'other' } }],
  ['an empty config', { config: {} }, { config: {} }],
  ['more memory', { limits: { memory: '2g' } }, { limits: { ...limits, memory: '2g' } }],
  ['another time limit', { limits: { timeout_seconds: 9 } }, { limits: { ...limits, timeout_seconds: 9 } }],
  ['other code', codeOf('b'), codeOf('b')],
  [
    'an image with its digest',
    { image: `other.example:5000/x:1@${digestOf('b')}`, source_ref: 'git:2' },
    { image: 'other.example:5000/x:1', digest: digestOf('b') },
  ],
  [
    'an image with its digest, said twice',
    { image: `x@${digestOf('b')}`, digest: digestOf('b'), source_ref: 'git:2' },
    { image: 'x', digest: digestOf('b') },
  ],
  ['all of it', { image: 'y', digest: digestOf('b'), config: {}, source_ref: 'git:2' }, {}],
])('%s: a new release, the rest is carried over', async (_name, body, changed) => {
  const hook = await oneRelease();
  const before = await contentOf(hook, 1);
  const answer = await minted(store, hook, body);
  expect(answer).toMatchObject({ created: true, version: 2, live: true, is_live: true, live_version: 2 });
  const { source_ref, image } = body;
  const named = { ...(source_ref && { source_ref }), ...(image && !image.includes('@') && { image }) };
  const { live: _, ...given } = { live: true, ...(Object.keys(changed).length > 0 ? changed : body) };
  expect(await contentOf(hook, 2)).toEqual({ ...before, ...named, ...given });
});

test.each<[string, Given]>([
  ['nothing', {}],
  ['the same digest', { digest: digestOf('a') }],
  ['the same code under another name', { image: 'elsewhere.example/copy', digest: digestOf('a') }],
  ['another source ref', { source_ref: 'git:other' }],
  [
    'the config with its keys turned round',
    { config: { depth: { most: 700, least: 1 }, relation: 'hanks' } },
  ],
  ['memory in another unit', { limits: { memory: '1024m' } }],
  ['memory in bytes', { limits: { memory: '1073741824' } }],
  ['cpu with another zero', { limits: { cpu: '0.50' } }],
])('%s: the known release, and nothing moves', async (_name, body) => {
  const hook = await oneRelease();
  const before = await contentOf(hook, 1);
  expect(await minted(store, hook, body)).toMatchObject({ created: false, version: 1, is_live: true });
  expect(await contentOf(hook, 1)).toEqual(before);
  expect(await store.registry.hook(hook)).toMatchObject({ release_count: 1, live_seq: 1 });
});

test('what is known is decided on the whole: the same parts over another live release are another one', async () => {
  const hook = await oneRelease();
  await minted(store, hook, { config: { b: 1 } });
  // Carried over from release 2, this is neither release 1 nor 2.
  expect(await minted(store, hook, { limits: { memory: '2g' } })).toMatchObject({
    created: true,
    version: 3,
  });
  expect(await minted(store, hook, { config, limits: { memory: '1g' } })).toMatchObject({
    created: false,
    version: 1,
    live: false,
    is_live: false,
    live_version: 3,
  });
  expect(moves(await historyOf(store, hook))).toBe('-1 1-2 2-3');
});

test('what is carried over is what is live once the hook is locked, not what was read before', async () => {
  const hook = await oneRelease();
  await minted(store, hook, { config: { relation: 'kanamori' }, live: false });
  const operator = database.open(database.appUrl, { max: 1 });
  const watcher = database.open(database.ownerUrl, { max: 1 });
  const { promise: release, resolve: locked } = Promise.withResolvers<ReturnType<typeof minted>>();
  await postgresStore(operator, { domain: 'localhost' }).write({ principal: admin }, async ({ registry }) => {
    const before = await registry.holdHook(hook);
    if (!before) throw new Error('the hook is gone');
    // It reads version 1, and then waits for the lock that is held here.
    const waiting = minted(store, hook, codeOf('late'));
    await backendThatRuns(watcher, 'mint_release');
    locked(waiting);
    await registry.move(before.hook, { to: 2, kind: 'activate', reason: null });
    return {};
  });
  expect(await release).toMatchObject({ created: true, version: 3 });
  expect(await store.registry.release(hook, 3)).toMatchObject({
    digest: digestOf('late'),
    config: { relation: 'kanamori' },
  });
  expect(moves(await historyOf(store, hook))).toBe('-1 1-2 2-3');
});

test('a config keeps its keys through the database, also those that V8 mistakes for another', async () => {
  made += 1;
  const name = `carry_${made}`;
  const odd = { '': 1, '"': 2 };
  JSON.parse('{"":1,"\\\\":2}');
  await deployed(store, `carry-${made}`, [{ name, digest: digestOf('a'), config: odd }]);
  await minted(store, name, { limits: { memory: '2g' } });
  for (const version of [1, 2]) expect(await contentOf(name, version)).toMatchObject({ config: odd });
});

test('without going live it is minted, and the next change starts from what is live', async () => {
  const hook = await oneRelease();
  const quiet = { ...codeOf('b'), config: { quiet: true }, live: false };
  expect(await minted(store, hook, quiet)).toMatchObject({
    created: true,
    version: 2,
    live: false,
    live_version: 1,
    live_seq: 1,
  });
  expect(await store.registry.hook(hook)).toMatchObject({ release_count: 2, live: { version: 1 } });
  // A release that is known goes live by activation only.
  expect(await minted(store, hook, { ...quiet, live: true })).toMatchObject({ created: false, live: false });
  const next = await minted(store, hook, codeOf('c'));
  expect(next).toMatchObject({ version: 3, live_version: 3, live_seq: 2 });
  expect(await historyOf(store, hook)).toMatchObject([
    { to_version: 1 },
    { seq: 2, from_version: 1, to_version: 3 },
  ]);
  expect(await contentOf(hook, 3)).toMatchObject({ config });
});

test('its reason is in the history', async () => {
  const hook = await oneRelease();
  await minted(store, hook, { ...codeOf('b'), reason: 'rebuilt on a new base' });
  expect((await historyOf(store, hook)).at(-1)).toMatchObject({ reason: 'rebuilt on a new base' });
});

test.each(notImages)('%j is no name of an image', async (image) => {
  const hook = await oneRelease();
  await expectNothing(hook, { image, digest: digestOf('b') }, { code: 'invalid', field: 'image' });
});

test('from an image to a directory and back', async () => {
  const hook = await oneRelease();
  const digest = await uploaded('packed');
  const directory = { digest, command: ['node', 'hook.mjs'], source_ref: 'git:2' };
  await expectNothing(hook, { command: ['node'] }, { code: 'invalid', field: 'digest' });
  await expectNothing(hook, { ...directory, image: 'x' }, { code: 'invalid', field: 'command' });
  await expectNothing(hook, { runtime: 'directory', digest }, { code: 'invalid', field: 'command' });
  await expectNothing(
    hook,
    { ...directory, digest: digestOf('absent') },
    { code: 'invalid', field: 'digest' },
  );
  expect(await minted(store, hook, directory)).toMatchObject({ created: true, version: 2 });
  expect(await contentOf(hook, 2)).toMatchObject({ runtime: 'directory', image: null, ...directory, config });
  expect(await minted(store, hook, { command: ['node', '--quiet', 'hook.mjs'] })).toMatchObject({
    created: true,
    version: 3,
  });
  await expectNothing(hook, { image: 'x' }, { code: 'invalid', field: 'digest' });
  await expectNothing(hook, { runtime: 'image', digest: digestOf('b') }, { code: 'invalid', field: 'image' });
  expect(await minted(store, hook, { image: `x@${digestOf('a')}`, source_ref: 'git:1' })).toMatchObject({
    created: false,
    version: 1,
  });
});

test.each<[string, Given, string]>([
  ['two digests', { image: `x@${digestOf('b')}`, digest: digestOf('c') }, 'digest'],
  ['another image without a digest', { image: 'registry.example/other:latest' }, 'digest'],
  ['an image whose digest is cut', { image: 'x@sha256:abc', digest: digestOf('b') }, 'image'],
  ['an image whose digest is in capitals', { image: `x@${digestOf('b').toUpperCase()}` }, 'image'],
  ['an image of another algorithm', { image: `x@sha512:${'0'.repeat(128)}` }, 'image'],
])('%s is refused', async (_name, body, field) => {
  const hook = await oneRelease();
  await expectNothing(hook, body, { code: 'invalid', field });
});

test.each<[string, Given]>([
  ['a digest', { digest: digestOf('b') }],
  ['an image', { image: `x@${digestOf('b')}` }],
])('other code, by %s, does not carry over the commit of the live release', async (_name, body) => {
  const hook = await oneRelease();
  await expectNothing(hook, body, { code: 'invalid', field: 'source_ref' });
});

test('code of a release that is known needs no commit, whether it is live or not', async () => {
  const hook = await oneRelease();
  await minted(store, hook, codeOf('b'));
  const before = await historyOf(store, hook);
  expect(await minted(store, hook, { digest: digestOf('a') })).toMatchObject({
    created: false,
    version: 1,
    source_ref: 'git:1',
    is_live: false,
    live_version: 2,
  });
  expect(await historyOf(store, hook)).toEqual(before);
});

describe('the body', () => {
  const shape = routes.release.body;

  test('of a client of the existing archive is accepted', async () => {
    const body = {
      image: 'ghcr.io/acme/energy:latest',
      digest: digestOf('b'),
      config: { relation: 'hanks' },
      limits: { timeout_seconds: 600, memory: '512m', cpu: '0.5' },
      source_ref: 'git:1a2b3c4',
    };
    const hook = await oneRelease();
    const answer = await release(store, { principal: admin }, hook, shape.parse(body));
    expect(answer).toMatchObject({
      hook_name: hook,
      version: 2,
      id: expect.any(String),
      digest: body.digest,
      source_ref: body.source_ref,
      built_at: expect.stringMatching(/Z$/),
      live: true,
    });
    expect(await contentOf(hook, 2)).toEqual({ runtime: 'image', command: null, ...body });
  });

  test.each([
    ['empty', ''],
    ['without its algorithm', '0'.repeat(64)],
    ['too short', `sha256:${'0'.repeat(63)}`],
    ['too long', `sha256:${'0'.repeat(65)}`],
    ['in capitals', `sha256:${'A'.repeat(64)}`],
    ['with a letter that is no digit', `sha256:${'g'.repeat(64)}`],
    ['that is a tag', 'latest'],
    ['of another algorithm', `sha512:${'0'.repeat(64)}`],
    ['with a line break', `sha256:${'0'.repeat(64)}\n`],
    ['a number', 7],
  ])('image-04: with a digest %s is refused', (_name, digest) => {
    const parsed = shape.safeParse({ image: 'x', digest });
    expect(parsed.error?.issues.map(({ path }) => path)).toEqual([['digest']]);
  });

  test('with an unknown part is refused', () => {
    expect(shape.safeParse({ digest: digestOf(1), sourceRef: 'git:1' }).success).toBe(false);
    expect(shape.safeParse({ version: 7 }).success).toBe(false);
  });
});

test('needs the right to the hook, and a hook', async () => {
  const hook = await oneRelease();
  for (const scopes of [[], ['conventions:write'], ['hooks:write:other']]) {
    const refused = refusal(release(store, { principal: person(...scopes) }, hook, { live: true }));
    expect(await refused).toMatchObject({ code: 'access_denied', details: { scope: `hooks:write:${hook}` } });
  }
  const mine = { principal: person(`hooks:write:${hook}`) };
  expect(await release(store, mine, hook, { live: true, config: {} })).toMatchObject({ version: 2 });
  expect(await refusal(minted(store, 'absent', {}))).toMatchObject({ code: 'not_found', field: 'name' });
});

test('says who built it', async () => {
  await hookWith(store, 'built', 1);
  await release(store, { principal: person('hooks:write') }, 'built', { live: true, config: { b: 1 } });
  expect(await store.registry.release('built', 2)).toMatchObject({ built_by: 'hooks:write' });
});
