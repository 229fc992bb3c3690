import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuthDaemon, authDaemon, good, ours, pemOf } from './auth-support.ts';
import type { Received } from './daemon-support.ts';
import { refusedTokens } from './fixtures/refused-tokens.ts';

/** Tokens that must not be accepted. Each gets the same answer, whatever is wrong with it. */

let place: AuthDaemon;
const presented: string[] = [];
const answers: Received[] = [];
beforeAll(async () => {
  place = await authDaemon();
});
afterAll(() => place.daemon.close());

async function refused(token: string): Promise<void> {
  presented.push(token);
  const answer = await place.whoami(`Bearer ${token}`);
  answers.push(answer);
  expect([answer.status, answer.problem?.code]).toEqual([401, 'invalid_token']);
}

describe.each(Object.entries(refusedTokens))('%s', (_, cases) => {
  test.each(Object.entries(cases))('%s', async (__, make) => {
    const tokens = [make()].flat();
    expect(tokens.length).toBeGreaterThan(0);
    for (const token of tokens) await refused(token);
  });
});

test('the header itself', async () => {
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    `Basic ${good()}`,
    good(),
    `Bearer ${good()} x`,
    'Bearer {"a":1}',
  ]) {
    const { status } = await place.whoami(authorization);
    expect(status).toBe(401);
  }
  const { status } = await place.daemon.send('GET', `/api/v1/auth/me?access_token=${good()}`);
  expect([401, 422]).toContain(status);
  expect(
    (await place.daemon.send('GET', '/api/v1/auth/me', { headers: { cookie: `token=${good()}` } })).status,
  ).not.toBe(200);
});

test('all of them get one answer', () => {
  const bodies = new Set(answers.map(({ text }) => text));
  const messages = [...bodies].map((text) => JSON.parse(text).message);
  expect(messages.toSorted()).toEqual(['the token has expired', 'the token is not accepted']);
  const challenges = answers.map(({ headers }) => headers['www-authenticate']);
  expect(new Set(challenges)).toEqual(new Set(['Bearer error="invalid_token"']));
});

test('nothing of them is in the log or in the database', async () => {
  const log = place.daemon.log.join('\n');
  const parts = presented.flatMap((token) => token.split('.')).filter((part) => part.length >= 24);
  expect(parts.length).toBeGreaterThan(200);
  expect(parts.filter((part) => log.includes(part))).toEqual([]);
  expect(log).toContain('its signature does not hold');
  const owner = place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 });
  for (const table of ['actors', 'events', 'idempotency_keys']) {
    const rows = await owner.sql.unsafe(`select to_jsonb(t)::text as text from ${table} t`);
    const text = rows.map((row) => row.text).join('\n');
    expect(parts.filter((part) => text.includes(part))).toEqual([]);
  }
  expect(await owner.sql`select * from actors`).toEqual([]);
});

test('a good one is still accepted', async () => {
  expect((await place.whoami(`Bearer ${good()}`)).status).toBe(200);
  expect(createPublicKey(pemOf(ours)).asymmetricKeyType).toBe('ed25519');
});
