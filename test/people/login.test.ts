import type { Answer } from '@osa/core/api';
import { browserSecrets } from '@osa/core/auth/person/login';
import { grantRole } from '@osa/core/postgres/access';
import { loginConfig } from '@osa/daemon/config/login';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { deployRequest, type Received, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { answerAs, browser } from './browser.ts';
import { freePort, type TestProvider, testProvider } from './provider.ts';

/** People log in by the device flow, through a real OpenID provider. */

let daemon: TestDaemon;
let provider: TestProvider;
beforeAll(async () => {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await testProvider(`${publicUrl}/api/v1/auth/callback`);
  const { issuer, clientId, clientSecret } = provider;
  const login = { ...loginConfig({ issuer, clientId, clientSecret, publicUrl }), intervalSeconds: 0 };
  daemon = await testDaemon({ port, login, http: { failedAuthentications: 1_000 } });
});
afterEach(() => provider.interfere(undefined));
afterAll(async () => {
  await daemon.close();
  await provider[Symbol.asyncDispose]();
});

const json = { 'content-type': 'application/json' };
const post = (path: string, body: object): Promise<Received> =>
  daemon.send('POST', `/api/v1/auth/${path}`, { headers: json, body: JSON.stringify(body) });
const begin = () => daemon.call('startLogin');
const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
const take = (device_code: string) => post('device/token', { device_code, grant_type });
const refresh = (refresh_token: string) => post('refresh', { refresh_token });
const me = (token: string) =>
  daemon.send('GET', '/api/v1/auth/me', { headers: { authorization: `Bearer ${token}` } });
const errorOf = ({ text }: Received) => JSON.parse(text).error as string;
const tokensOf = ({ text }: Received) => JSON.parse(text) as Answer<'refreshLogin'>;

async function logIn(person: string): Promise<Answer<'refreshLogin'>> {
  const begun = await begin();
  const own = browser();
  const question = await answerAs(person, begun.verification_uri, own);
  expect(question.text).toContain(`Dr ${person}`);
  expect(question.text).toContain(begun.user_code);
  expect((await own.submit(question, { answer: 'allow' })).status).toBe(200);
  const taken = await take(begun.device_code);
  expect(taken.status, taken.text).toBe(200);
  return tokensOf(taken);
}

test('a person logs in: pending until allowed, then a token of 15 minutes that says who they are', async () => {
  const begun = await begin();
  expect(begun).toMatchObject({ expires_in: 900, device_code: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(begun.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ2346789]{4}-[BCDFGHJKLMNPQRSTVWXZ2346789]{4}$/);
  const early = await take(begun.device_code);
  expect([early.status, errorOf(early)]).toEqual([400, 'authorization_pending']);
  const own = browser();
  const question = await answerAs('marie', begun.verification_uri, own);
  expect(errorOf(await take(begun.device_code))).toBe('authorization_pending');
  const policy = question.headers.get('content-security-policy');
  expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/);
  expect(policy).toContain("frame-ancestors 'none'");
  await own.submit(question, { answer: 'allow' });
  const tokens = tokensOf(await take(begun.device_code));
  expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
  expect(JSON.parse((await me(tokens.access_token)).text)).toMatchObject({
    ...{ kind: 'person', display_name: 'Dr marie', external_id: 'marie', roles: [], scopes: [] },
    provider: new URL(provider.issuer).host,
  });
  const again = await take(begun.device_code);
  expect([again.status, errorOf(again)]).toEqual([400, 'device_consumed']);
});

test('the same person is the same actor at each login, and roles are theirs', async () => {
  const idOf = async (person: string) => JSON.parse((await me((await logIn(person)).access_token)).text).id;
  const [first, second, other] = [await idOf('ada'), await idOf('ada'), await idOf('grace')];
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  const { access_token } = await logIn('ada');
  const deploy = () =>
    daemon.send('POST', '/api/v1/conventions', {
      headers: { ...json, authorization: `Bearer ${access_token}` },
      body: JSON.stringify(deployRequest()),
    });
  expect((await deploy()).status).toBe(403);
  await grantRole(daemon.database.open(daemon.database.ownerUrl, { max: 1 }), first, 'ADMIN');
  expect((await deploy()).status).toBe(201);
  const { items } = await daemon.call('listDeploys');
  expect(JSON.stringify(items[0])).toContain(first);
});

test('a refresh token is taken once; its second use ends the login for thief and owner', async () => {
  const first = await logIn('stolen');
  const second = tokensOf(await refresh(first.refresh_token));
  expect((await me(second.access_token)).status).toBe(200);
  const replay = await refresh(first.refresh_token);
  expect([replay.status, JSON.parse(replay.text).detail.code]).toEqual([401, 'token_family_revoked']);
  expect((await me(first.access_token)).status).toBe(401);
  expect((await me(second.access_token)).status).toBe(401);
  const owner = await refresh(second.refresh_token);
  expect([owner.status, JSON.parse(owner.text).detail.code]).toEqual([401, 'token_family_revoked']);
});

test('of 20 uses of one refresh token at the same time one succeeds, and the login ends', async () => {
  const { refresh_token } = await logIn('crowd');
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refresh_token)));
  const good = answers.filter(({ status }) => status === 200).map(tokensOf);
  expect(good).toHaveLength(1);
  expect((await me(good[0]?.access_token ?? '')).status).toBe(401);
});

test('a logout ends the tokens at once, also by a token that was used', async () => {
  const first = await logIn('leaving');
  const second = tokensOf(await refresh(first.refresh_token));
  expect(JSON.parse((await post('logout', { refresh_token: first.refresh_token })).text)).toEqual({
    success: true,
  });
  expect((await me(second.access_token)).status).toBe(401);
  expect((await post('logout', { refresh_token: 'nobody-has-it' })).status).toBe(200);
  const unknown = await refresh('nobody-has-it');
  expect([unknown.status, JSON.parse(unknown.text).detail.code]).toEqual([401, 'invalid_refresh_token']);
});

test('a person who refuses gives nothing, and cannot be overruled', async () => {
  const begun = await begin();
  const own = browser();
  const question = await answerAs('wary', begun.verification_uri, own);
  const refused = await own.submit(question, { answer: 'refuse' });
  expect(refused.text).toContain('Refused');
  own.cookies.set('osa_login', question.headers.get('x-none') ?? 'x'.repeat(43));
  expect((await own.submit(question, { answer: 'allow' })).status).toBe(401);
  const answer = await take(begun.device_code);
  expect([answer.status, errorOf(answer)]).toEqual([400, 'access_denied']);
});

/** Goes to the provider and back, up to the answer that the browser would bring. */
async function upToAnswer(person: string) {
  const begun = await begin();
  const own = browser();
  own.stopBefore(/\/api\/v1\/auth\/callback/);
  const last = await answerAs(person, begun.verification_uri, own);
  const answer = new URL(last.headers.get('location') ?? '');
  own.stopBefore(undefined);
  return { begun, own, answer };
}

test('an answer with another state, or in another browser, identifies nobody', async () => {
  const { begun, own, answer } = await upToAnswer('state');
  const forged = new URL(answer);
  forged.searchParams.set('state', 'x'.repeat(43));
  expect((await own.open(forged)).status).toBe(401);
  expect((await browser().open(answer)).status).toBe(401);
  expect(errorOf(await take(begun.device_code))).toBe('authorization_pending');
  expect((await own.open(answer)).status).toBe(200);
});

test('an answer is taken once: the same code again opens nothing', async () => {
  const { own, answer } = await upToAnswer('replay');
  const secret = own.cookies.get('osa_login') ?? '';
  expect((await own.open(answer)).text).toContain('Dr replay');
  own.cookies.set('osa_login', secret);
  const again = await own.open(answer);
  expect([again.status, again.text.includes('Not logged in')]).toEqual([401, true]);
});

test("another login's code does not fit: its verifier and nonce are of another browser", async () => {
  const mine = await upToAnswer('mallory');
  const theirs = await upToAnswer('victim');
  const mixed = new URL(theirs.answer);
  mixed.searchParams.set('code', mine.answer.searchParams.get('code') ?? '');
  const seen = await theirs.own.open(mixed);
  expect(seen.status).toBe(401);
  expect(errorOf(await take(theirs.begun.device_code))).toBe('authorization_pending');
});

type Claims = Readonly<Record<string, unknown>>;

test.each([
  ['as it should be', 200, (claims: Claims) => provider.idToken(claims)],
  ['another nonce', 401, (claims: Claims) => provider.idToken({ ...claims, nonce: 'another' })],
  ['no nonce', 401, ({ nonce: _, ...claims }: Claims) => provider.idToken(claims)],
  ['another audience', 401, (claims: Claims) => provider.idToken({ ...claims, aud: 'another-client' })],
  ['another issuer', 401, (claims: Claims) => provider.idToken({ ...claims, iss: 'http://127.0.0.1:1' })],
  ['an end in the past', 401, (claims: Claims) => provider.idToken({ ...claims, iat: 1, exp: 2 })],
  ['no subject', 401, ({ sub: _, ...claims }: Claims) => provider.idToken(claims)],
  ['the signature of another key', 401, (claims: Claims) => provider.idToken(claims, 'another')],
] as const)('an ID token with %s is answered with %i', async (_name, expected, sign) => {
  const { begun, own, answer } = await upToAnswer('signed');
  const { nonce } = browserSecrets(own.cookies.get('osa_login') ?? '');
  const now = Math.floor(Date.now() / 1_000);
  const id_token = sign({ sub: 'signed', iat: now, exp: now + 60, nonce, name: 'Dr signed' });
  provider.interfere(({ url }) =>
    url === '/token'
      ? { status: 200, json: { access_token: 'x', token_type: 'Bearer', id_token } }
      : undefined,
  );
  const seen = await own.open(answer);
  expect([seen.status, seen.text.includes(expected === 200 ? 'Dr signed' : 'is not accepted')]).toEqual([
    expected,
    true,
  ]);
  expect(errorOf(await take(begun.device_code))).toBe('authorization_pending');
});

test('a provider that is down is named, and the login goes on when it is back', async () => {
  const { begun, own, answer } = await upToAnswer('patient');
  provider.interfere(() => ({ status: 503 }));
  const seen = await own.open(answer);
  expect([seen.status, seen.text.includes('does not answer')]).toEqual([503, true]);
  expect(errorOf(await take(begun.device_code))).toBe('authorization_pending');
  provider.interfere(undefined);
  const question = await answerAs('patient', begun.verification_uri);
  expect(question.text).toContain('Dr patient');
});

test('a person whom the provider refuses is told so', async () => {
  const { own, answer } = await upToAnswer('nobody');
  answer.searchParams.delete('code');
  answer.searchParams.set('error', 'access_denied');
  const seen = await own.open(answer);
  expect([seen.status, seen.text.includes('you did not allow it')]).toEqual([400, true]);
});

test('a code that nobody has is refused, and counted as a refused token', async () => {
  const own = browser();
  const page = await own.open(`${daemon.url}/api/v1/auth/device/verify?code=%22%3E%3Cscript%3E`);
  expect(page.text).not.toContain('<script>');
  expect((await own.submit(page, { user_code: 'BBBB-BBBB' })).status).toBe(401);
  expect(daemon.log.some((line) => line.includes('no login waits for this code'))).toBe(true);
  const unknown = await take('0'.repeat(64));
  expect([unknown.status, errorOf(unknown)]).toEqual([400, 'device_not_found']);
});

test('an answer without its form is refused: another site cannot press Allow', async () => {
  const begun = await begin();
  const own = browser();
  const question = await answerAs('clicked', begun.verification_uri, own);
  const body = new URLSearchParams({ answer: 'allow', form: 'x'.repeat(43) });
  const cookie = `osa_login=${own.cookies.get('osa_login')}`;
  const answer = await fetch(new URL('complete', question.url), {
    method: 'POST',
    body,
    headers: { cookie },
  });
  expect(answer.status).toBe(401);
  expect(errorOf(await take(begun.device_code))).toBe('authorization_pending');
});

test('no table and no line of the log holds a code, a secret or a token', async () => {
  const begun = await begin();
  const own = browser();
  const question = await answerAs('secret', begun.verification_uri, own);
  const cookie = own.cookies.get('osa_login') ?? 'none';
  await own.submit(question, { answer: 'allow' });
  const first = tokensOf(await take(begun.device_code));
  const second = tokensOf(await refresh(first.refresh_token));
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const stored = await sql<{ text: string }[]>`
    select to_jsonb(t)::text as text from (select to_jsonb(l) from logins l union all select to_jsonb(s) from sessions s
      union all select to_jsonb(r) from refresh_tokens r union all select to_jsonb(e) from events e) t`;
  const everywhere = `${stored.map(({ text }) => text).join('\n')}\n${daemon.log.join('\n')}`;
  for (const text of [
    begun.device_code,
    cookie,
    first.refresh_token,
    second.refresh_token,
    second.access_token,
  ]) {
    expect(everywhere.includes(text)).toBe(false);
  }
});

test('who answered a login cannot be changed, and a session needs an allowed login', async () => {
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  await logIn('fixed');
  const state = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
  const other = sql`select id from people where subject = 'marie'`;
  const [{ id: marie } = { id: '' }] = await other;
  const tries = [
    sql`update logins set person = ${marie} where allowed`,
    sql`update people set subject = 'x' where subject = 'fixed'`,
    sql`delete from people`,
    sql`update sessions set person = ${marie}`,
    sql`insert into sessions (id, person, login, expires_at)
        values (gen_random_uuid(), ${marie}, gen_random_uuid(), now() + interval '1 day')`,
    sql`update refresh_tokens set used_at = null where used_at is not null`,
    sql`delete from refresh_tokens`,
  ];
  expect(await Promise.all(tries.map((one) => state(one as never)))).toEqual([
    '42501',
    '42501',
    '42501',
    '42501',
    '23503',
    '42501',
    '42501',
  ]);
});
