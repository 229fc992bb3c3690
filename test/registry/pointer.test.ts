import { activate, rollback } from '@osa/core/hook/live';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import {
  codeOf,
  historyOf,
  hookWith,
  liveOf,
  minted,
  moves,
  person,
  refusal,
  rowCounts,
} from '../support/database/registry-support.ts';

/** Where the live pointer may go, and what is said where it may not. */

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
});
afterAll(() => database.close());

const writer = { principal: admin };
const back = (hook: string, request: Parameters<typeof rollback>[3] = {}) =>
  rollback(store, writer, hook, request);
const move = (hook: string, request: Parameters<typeof activate>[3]) =>
  activate(store, writer, hook, request);

/** Nothing in the database is other than before `work`. */
async function nothingWritten<T>(work: () => Promise<T>): Promise<T> {
  const counting = database.open(database.ownerUrl, { max: 1 });
  const before = await rowCounts(counting);
  const result = await work();
  expect(await rowCounts(counting)).toEqual(before);
  return result;
}

describe('rollback', () => {
  test('1 → 2 → 3 and two rollbacks: 1 is live; a third is refused with the list', async () => {
    await hookWith(store, 'stairs', 3);
    expect(await back('stairs', { reason: 'wrong unit' })).toMatchObject({
      changed: true,
      from_version: 3,
      live_version: 2,
      live_seq: 4,
      reason: 'wrong unit',
    });
    expect(await back('stairs')).toMatchObject({ from_version: 2, live_version: 1, live_seq: 5 });
    expect(await liveOf(store, 'stairs')).toBe(1);
    const error = await nothingWritten(() => refusal(back('stairs')));
    expect(error).toMatchObject({
      code: 'conflict',
      field: 'to',
      details: { live_version: 1, versions: [1, 2, 3] },
    });
    expect(await historyOf(store, 'stairs')).toMatchObject([
      { kind: 'release', from_version: null, to_version: 1, reason: null },
      { kind: 'release', from_version: 1, to_version: 2 },
      { kind: 'release', from_version: 2, to_version: 3 },
      { kind: 'rollback', from_version: 3, to_version: 2, reason: 'wrong unit' },
      { kind: 'rollback', from_version: 2, to_version: 1, reason: null },
    ]);
  });

  test('goes to what was live before, not to the version below', async () => {
    await hookWith(store, 'gap', 3);
    await back('gap', { to: 1 });
    await minted(store, 'gap', codeOf('gap 4'));
    expect(await back('gap')).toMatchObject({ from_version: 4, live_version: 1 });
    expect(moves(await historyOf(store, 'gap'))).toBe('-1 1-2 2-3 3-1 1-4 4-1');
  });

  test('after an activation goes to what was live before that', async () => {
    await hookWith(store, 'again', 3);
    await back('again', { to: 1 });
    await move('again', { version: 3 });
    expect(await back('again')).toMatchObject({ from_version: 3, live_version: 1 });
  });

  test('after an activation of an older version never goes forward', async () => {
    await hookWith(store, 'older', 3);
    await move('older', { version: 1 });
    const error = await refusal(back('older'));
    expect(error).toMatchObject({ code: 'conflict', field: 'to', details: { live_version: 1 } });
    expect(error.message).toContain('osa hooks activate older');
    await move('older', { version: 3 });
    await move('older', { version: 2 });
    expect(await back('older')).toMatchObject({ from_version: 2, live_version: 1 });
  });

  test('from a version that nobody went to from an older one asks which one', async () => {
    await hookWith(store, 'aside', 2);
    await minted(store, 'aside', { ...codeOf('aside 3'), live: false });
    await minted(store, 'aside', codeOf('aside 4'));
    await move('aside', { version: 3 });
    const error = await nothingWritten(() => refusal(back('aside')));
    expect(error).toMatchObject({ code: 'conflict', field: 'to', details: { live_version: 3 } });
    expect(error.message).toContain('name one of 1, 2 with --to');
    expect(await back('aside', { to: 1 })).toMatchObject({ from_version: 3, live_version: 1 });
    expect((await refusal(back('aside'))).message).toContain('version 1 is its oldest release');
  });

  test('goes where the hook says that it would, and nowhere where it says so', async () => {
    const told = async (hook: string) => (await store.registry.hook(hook))?.rollback_to;
    await hookWith(store, 'told', 3);
    expect(await told('told')).toBe(2);
    await move('told', { version: 2 });
    expect(await told('told')).toBe(1);
    expect(await back('told')).toMatchObject({ from_version: 2, live_version: 1 });
    expect(await told('told')).toBeNull();
    expect(await refusal(back('told'))).toMatchObject({ code: 'conflict', field: 'to' });
  });

  test('to a newer version is refused with a hint', async () => {
    await hookWith(store, 'newer', 3);
    await back('newer', { to: 1 });
    const error = await nothingWritten(() => refusal(back('newer', { to: 2 })));
    expect(error).toMatchObject({ code: 'conflict', field: 'to', details: { live_version: 1 } });
    expect(error.message).toContain('osa hooks activate newer 2');
  });

  test('to the live version changes nothing', async () => {
    await hookWith(store, 'still', 2);
    const answer = await nothingWritten(() => back('still', { to: 2, reason: 'sure' }));
    const [, change] = await historyOf(store, 'still');
    expect(answer).toMatchObject({ changed: false, from_version: 2, live_version: 2, live_seq: 2 });
    expect(answer.at).toBe(change?.at);
    expect(answer.live_release_id).toBe((await store.registry.hook('still'))?.live?.id);
  });
});

describe('activate', () => {
  test('goes forward and back, and nowhere where it is already', async () => {
    await hookWith(store, 'free', 3);
    expect(await move('free', { version: 1, reason: 'a' })).toMatchObject({ changed: true, live_version: 1 });
    expect(await move('free', { version: 3 })).toMatchObject({ changed: true, from_version: 1, live_seq: 5 });
    expect(await nothingWritten(() => move('free', { version: 3 }))).toMatchObject({
      changed: false,
      live_seq: 5,
    });
    expect((await historyOf(store, 'free')).slice(3)).toMatchObject([
      { kind: 'activate', from_version: 3, to_version: 1, reason: 'a' },
      { kind: 'activate', from_version: 1, to_version: 3, reason: null },
    ]);
  });
});

describe.each([
  ['rollback', (hook: string, version: number) => back(hook, { to: version }), 'to'],
  ['activate', (hook: string, version: number) => move(hook, { version }), 'version'],
])('%s', (kind, go, field) => {
  test('to a release that is not there is refused, also where another hook has it', async () => {
    await hookWith(store, `${kind}_few`, 2);
    await hookWith(store, `${kind}_many`, 5);
    const error = await nothingWritten(() => refusal(go(`${kind}_few`, 5)));
    expect(error).toMatchObject({ code: 'not_found', field });
  });

  test('of a hook that is not there is refused', async () => {
    expect(await refusal(go('absent', 1))).toMatchObject({ code: 'not_found', field: 'name' });
  });

  test('needs the right to this hook', async () => {
    const hook = `${kind}_mine`;
    await hookWith(store, hook, 2);
    const go = (...scopes: string[]) =>
      kind === 'rollback'
        ? rollback(store, { principal: person(...scopes) }, hook, { to: 1 })
        : activate(store, { principal: person(...scopes) }, hook, { version: 1 });
    for (const scopes of [[], ['conventions:write'], ['hooks:write:other'], [`hooks:write:${hook}x`]]) {
      const error = await nothingWritten(() => refusal(go(...scopes)));
      expect(error).toMatchObject({ code: 'access_denied', details: { scope: `hooks:write:${hook}` } });
    }
    expect(await go(`hooks:write:${kind}*`)).toMatchObject({ changed: true });
  });
});

describe('a stale expectation', () => {
  const expectations = [{ expected_live_seq: 2 }, { expected_live_version: 1 }, { expected_live_seq: 99 }];

  test.each(expectations)('%j is refused, whatever the move', async (expected) => {
    const hook = `stale_${Object.entries(expected).flat().join('_')}`;
    await hookWith(store, hook, 3);
    const tries = [
      () => back(hook, expected),
      () => back(hook, { ...expected, to: 3 }),
      () => move(hook, { ...expected, version: 1 }),
      () => move(hook, { ...expected, version: 9 }),
      () => minted(store, hook, { ...expected, ...codeOf('fresh') }),
      () => minted(store, hook, { ...expected, ...codeOf(`${hook} 3`) }),
    ];
    for (const attempt of tries) {
      const error = await nothingWritten(() => refusal(attempt()));
      expect(error).toMatchObject({
        code: 'precondition_failed',
        details: { live_version: 3, live_seq: 3 },
      });
    }
  });

  test('one of two is enough to refuse; two that hold let through', async () => {
    await hookWith(store, 'both', 3);
    const stale = back('both', { expected_live_seq: 3, expected_live_version: 2 });
    expect(await refusal(stale)).toMatchObject({ code: 'precondition_failed' });
    expect(await back('both', { expected_live_seq: 3, expected_live_version: 3 })).toMatchObject({
      changed: true,
    });
    // The version is the weaker form: it is live again, by another change.
    await move('both', { version: 3 });
    expect(await refusal(back('both', { expected_live_seq: 3 }))).toMatchObject({
      details: { live_version: 3, live_seq: 5 },
    });
    expect(await back('both', { expected_live_version: 3 })).toMatchObject({ changed: true });
  });
});
