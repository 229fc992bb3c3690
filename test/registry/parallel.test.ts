import type { Answer } from '@osa/core/api';
import { rollback } from '@osa/core/hook/live';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import {
  type Change,
  codeOf,
  deployed,
  historyOf,
  hookWith,
  minted,
  moves,
} from '../support/database/registry-support.ts';

/** Many clients at one hook: versions without gaps, one history, and every answer explained by it. */

let database: TestDatabase;
let stores: Store[];
beforeAll(async () => {
  database = await testDatabase();
  stores = Array.from({ length: 4 }, () =>
    postgresStore(database.open(database.appUrl, { max: 10 }), { domain: 'localhost' }),
  );
});
afterAll(() => database.close());

const numbers = (count: number, first = 1) => Array.from({ length: count }, (_, index) => first + index);

/** The store of the n-th client; each is a pool of its own, as each daemon has one. */
function storeOf(client: number, count: number): Store {
  const store = stores[client % count];
  if (!store) throw new RangeError(`there are ${stores.length} stores`);
  return store;
}

/** Each change goes on where the one before it ended. */
function expectChain(changes: readonly Change[]): void {
  expect(changes.map(({ seq }) => seq)).toEqual(numbers(changes.length));
  expect(changes.map(({ from_version }) => from_version)).toEqual([
    null,
    ...changes.slice(0, -1).map(({ to_version }) => to_version),
  ]);
  // A later change has a later time, also where it waited for its turn.
  const times = changes.map(({ at }) => microseconds(at));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
}

function microseconds(time: string): number {
  const [, fraction = ''] = /\.(\d+)/.exec(time) ?? [];
  return Math.floor(Date.parse(time) / 1_000) * 1_000_000 + Number(fraction.padEnd(6, '0'));
}

describe.each([
  ['one store', 1],
  ['four stores', 4],
])('over %s', (_name, count) => {
  test('http-22: 100 different releases get the next 100 versions', async () => {
    const hook = `apart_${count}`;
    await hookWith(storeOf(0, count), hook, 3);
    const answers = await Promise.all(
      numbers(100).map((client) => minted(storeOf(client, count), hook, codeOf(client))),
    );
    expect(answers.map(({ version }) => version).sort((a, b) => a - b)).toEqual(numbers(100, 4));
    expect(answers.every(({ created, live }) => created && live)).toBe(true);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(100);

    const changes = await historyOf(storeOf(0, count), hook);
    expect(changes).toHaveLength(103);
    expectChain(changes);
    for (const answer of answers) {
      expect(changes[answer.version - 1]).toMatchObject({
        seq: answer.live_seq,
        to_version: answer.version,
        kind: 'release',
      });
    }
    const shown = await storeOf(0, count).registry.hook(hook);
    expect(shown).toMatchObject({ release_count: 103, live_seq: 103, live: { version: 103, is_live: true } });
    const last = answers.find(({ version }) => version === 103);
    expect(shown?.live).toMatchObject({ id: last?.id, digest: last?.digest });
  });

  test('http-21: 100 identical releases are one', async () => {
    const hook = `same_${count}`;
    await hookWith(storeOf(0, count), hook, 1);
    const body = { ...codeOf('same'), config: { a: 1 } };
    const answers = await Promise.all(
      numbers(100).map((client) => minted(storeOf(client, count), hook, body)),
    );
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set([2]));
    expect(moves(await historyOf(storeOf(0, count), hook))).toBe('-1 1-2');
  });

  test('100 identical deploys of new hooks make them once', async () => {
    const slug = `together-${count}`;
    const hooks = ['c', 'a', 'b'].map((letter) => ({ name: `together_${count}_${letter}` }));
    const answers = await Promise.all(
      numbers(100).map((client) => {
        const turned = client % 2 === 0 ? hooks : hooks.toReversed();
        return deployed(storeOf(client, count), slug, turned);
      }),
    );
    const made = (part: (answer: Answer<'deploy'>) => boolean) => answers.filter(part).length;
    expect(made(({ changes }) => changes.convention === 'created')).toBe(1);
    expect(made(({ changes }) => changes.schema === 'created')).toBe(1);
    for (const { name } of hooks) {
      const partOf = ({ changes }: Answer<'deploy'>) => changes.hooks.find((hook) => hook.name === name);
      expect(made((answer) => partOf(answer)?.hook === 'created')).toBe(1);
      expect(made((answer) => partOf(answer)?.release === 'created')).toBe(1);
      expect(moves(await historyOf(storeOf(0, count), name))).toBe('-1');
    }
    const { items } = await storeOf(0, count).registry.deploys({ limit: 1_000, convention: slug });
    expect(items.map(({ id }) => id).sort()).toEqual(answers.map(({ deploy_id }) => deploy_id).sort());
  });
});

test('http-23: rollbacks among 50 clients that release: the history explains every answer', async () => {
  await hookWith(storeOf(0, 4), 'busy', 5);
  const releases = numbers(50).map(async (client) => {
    const answer = await minted(storeOf(client, 4), 'busy', codeOf(`busy by ${client}`));
    return { seq: answer.live_seq, kind: 'release', to_version: answer.version };
  });
  const rollbacks = numbers(20).map(async (client) => {
    const request = { to: 1 + (client % 5), reason: `client ${client}` };
    const answer = await rollback(storeOf(client, 4), { principal: admin }, 'busy', request);
    const { live_seq: seq, from_version, live_version: to_version, reason, changed } = answer;
    return changed ? { seq, kind: 'rollback', from_version, to_version, reason } : undefined;
  });
  const settled = await Promise.allSettled([...releases, ...rollbacks]);
  const explained = settled.flatMap((end) => (end.status === 'fulfilled' && end.value ? [end.value] : []));
  // A rollback to 4 that comes when 2 is live is none; it is refused, and nothing else is.
  for (const end of settled) {
    if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'conflict', field: 'to' });
  }
  const changes = await historyOf(storeOf(0, 4), 'busy');
  expectChain(changes);
  const added = changes.slice(5);
  expect(explained).toHaveLength(added.length);
  expect(explained.filter(({ kind }) => kind === 'release')).toHaveLength(50);
  expect(added).toMatchObject(explained.sort((a, b) => Number(a.seq) - Number(b.seq)));
  const shown = await storeOf(0, 4).registry.hook('busy');
  expect(shown).toMatchObject({
    release_count: 55,
    live_seq: changes.length,
    live: { version: changes.at(-1)?.to_version },
  });
});

test('of 50 moves that all saw the same change, one is made', async () => {
  await hookWith(storeOf(0, 4), 'raced', 3);
  const settled = await Promise.allSettled(
    numbers(50).map((client) =>
      rollback(storeOf(client, 4), { principal: admin }, 'raced', { to: 1, expected_live_seq: 3 }),
    ),
  );
  const refused = settled.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  expect(refused).toHaveLength(49);
  for (const error of refused) {
    expect(error).toMatchObject({
      code: 'precondition_failed',
      details: { live_version: 1, live_seq: 4 },
    });
  }
  expect(moves(await historyOf(storeOf(0, 4), 'raced'))).toBe('-1 1-2 2-3 3-1');
});
