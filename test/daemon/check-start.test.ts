import { readOptions } from '@osa/daemon/config/options';
import { checkStart } from '@osa/daemon/upkeep/start-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signingKey } from '../support/daemon-support.ts';
import { scratch, type TestDatabase, testDatabase } from '../support/database/database.ts';

/** `osad check` says what a start needs, each part on its own, and changes nothing. */

let database: TestDatabase;
let data: Awaited<ReturnType<typeof scratch>>;
let good: NodeJS.ProcessEnv;
beforeAll(async () => {
  database = await testDatabase();
  data = await scratch();
  good = {
    DATABASE_URL: database.appUrl,
    OSA_DOMAIN: 'data.example.org',
    OSA_DATA_DIR: data.path,
    OSA_ISSUER: 'ci',
    OSA_PUBLIC_KEY: JSON.stringify((await signingKey()).publicJwk),
  };
});
afterAll(async () => {
  await database.close();
  await data.dispose();
});

async function check(environment: NodeJS.ProcessEnv) {
  const { text, ok } = await checkStart({
    ...{ environment, config: undefined, part: undefined, version: 'test', json: true },
  });
  const { checks } = JSON.parse(text) as {
    checks: { check: string; ok: boolean; detail: string; hint: string | null }[];
  };
  return { ok, wrong: checks.filter((one) => !one.ok), checks };
}

test('all is well', async () => {
  const { ok, wrong, checks } = await check(good);
  expect(wrong).toEqual([]);
  expect([ok, checks.length]).toEqual([true, 11]);
  const shown = await checkStart({
    ...{ environment: good, config: undefined, part: undefined, version: 'test', json: false },
  });
  expect(shown.text).toMatch(/^ok {5}settings {4}mode production/);
  expect(shown.text).toMatch(/\nosad: osad can start\n$/);
});

test.each<[string, () => NodeJS.ProcessEnv, string[], RegExp]>([
  [
    'no issuer',
    () => ({ ...good, OSA_ISSUER: '', OSA_PUBLIC_KEY: '' }),
    ['settings', 'issuers'],
    /no issuer is trusted/,
  ],
  ['a setting that is no number', () => ({ ...good, OSA_PORT: 'x' }), ['settings'], /OSA_PORT/],
  ['a setting that is missing', () => ({ ...good, OSA_DOMAIN: '' }), ['settings'], /OSA_DOMAIN/],
  ['the owner’s role', () => ({ ...good, DATABASE_URL: database.ownerUrl }), ['role'], /is a superuser|owns/],
  [
    'a directory that is not there',
    () => ({ ...good, OSA_DATA_DIR: `${data.path}/none` }),
    ['data'],
    /ENOENT/,
  ],
])('%s is named with what to do', async (_what, environment, names, detail) => {
  const { ok, wrong } = await check(environment());
  expect(ok).toBe(false);
  expect(wrong.map(({ check: name }) => name)).toEqual(names);
  expect(wrong[0]?.detail).toMatch(detail);
  expect(wrong.every(({ hint }) => hint !== null)).toBe(true);
});

test('a database that is away is the one fault, and its checks are not made; no word of its password', async () => {
  const environment = { ...good, DATABASE_URL: 'postgres://osa:hunter2@127.0.0.1:1/osa' };
  const { ok, wrong } = await check(environment);
  expect(ok).toBe(false);
  expect(wrong.filter(({ hint }) => hint !== null).map(({ check: name }) => name)).toEqual(['database']);
  expect(wrong.filter(({ hint }) => hint === null).map(({ check: name, detail }) => [name, detail])).toEqual(
    ['migrations', 'role', 'commits', 'sessions', 'clock', 'statistics'].map((name) => [
      name,
      'not looked at: the database cannot be reached',
    ]),
  );
  expect(JSON.stringify(wrong)).not.toContain('hunter2');
  const { text } = await checkStart({
    ...{ environment, config: undefined, part: undefined, version: 'test', json: false },
  });
  expect(text).toMatch(/\n- {6}clock {7}not looked at: the database cannot be reached\n/);
  expect(text).toMatch(/\nosad: 1 of 11 checks failed, and 6 could not be made\n$/);
});

test.each([
  [['--data', '/tmp']],
  [['--database', 'postgres://x']],
  [['--restored', '--no-worker']],
  [['extra']],
])('refuses osad check %j', (argv) => {
  expect(() => readOptions(['check', ...argv])).toThrow(expect.objectContaining({ code: 'usage' }));
});
