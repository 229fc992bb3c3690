import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Answer } from '@osa/core/api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  declaration,
  deployRequest,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { compact, encoded, type OpenIdProvider, openIdProvider } from './openid.ts';

/** CI jobs without a secret: an ID token is taken once, as strictly as our own tokens, for the scopes of a rule. */

let daemon: TestDaemon;
let ci: OpenIdProvider;
let rule: Answer<'addPublisher'>;
const audience = 'https://localhost';
const scopes = ['conventions:write:tests'];

beforeAll(async () => {
  ci = await openIdProvider();
  daemon = await testDaemon({ http: { failedAuthentications: 1_000 } as never });
  rule = await add({ repository: 'acme/quakes', ref: 'refs/heads/main' });
});
afterAll(async () => {
  await daemon.close();
  await ci[Symbol.asyncDispose]();
});

async function admin(): Promise<Record<string, string>> {
  return { authorization: await daemon.bearer(['publishers:write', 'conventions:write', 'hooks:write']) };
}

async function add(claims: Record<string, string>, given = scopes): Promise<Answer<'addPublisher'>> {
  const json = { issuer: ci.issuer, claims, scopes: given };
  return daemon.call('addPublisher', { json, headers: await admin() });
}

async function exchange(token: string) {
  const body = JSON.stringify({ token });
  const answer = await daemon.send('POST', '/api/v1/auth/exchange', {
    headers: { 'content-type': 'application/json' },
    body,
  });
  return {
    ...answer,
    json: answer.status === 200 ? (JSON.parse(answer.text) as Answer<'exchangeToken'>) : undefined,
  };
}

const good = (changes: object = {}) => ci.token(ci.claims(audience, changes));

test('an ID token is taken for a token of the rule, for at most 15 minutes', async () => {
  const { json } = await exchange(good());
  expect(json).toMatchObject({ issuer: 'osad:localhost', scopes, publishers: [rule.id] });
  expect(json?.subject).toBe(`${ci.issuer.replace('http://', '')}#repo:acme/quakes:ref:refs/heads/main`);
  const left = Date.parse(json?.expires_at ?? '') - Date.now();
  expect(left).toBeGreaterThan(880_000);
  expect(left).toBeLessThanOrEqual(900_000);
  const me = await daemon.send('GET', '/api/v1/auth/me', {
    headers: { authorization: `Bearer ${json?.token}` },
  });
  expect(JSON.parse(me.text)).toMatchObject({ kind: 'machine', scopes });
});

test('ES256 and an array of one audience are fine, as is an x5t in the header', async () => {
  const claims = ci.claims(audience, { aud: [audience] });
  const token = ci.token(claims, { alg: 'ES256', kid: 'ec-1' }, ci.ec);
  expect((await exchange(token)).status).toBe(200);
});

test('what the provider signed of the job is kept with its deploy and its releases, and shown', async () => {
  const digest = await uploaded(daemon, 'process.exit(0)');
  const { json } = await exchange(good({ run_id: '99' }));
  const headers = { authorization: `Bearer ${json?.token}` };
  const deployed = await daemon.call('deploy', {
    json: deployRequest([declaration('probe', digest)]),
    headers,
  });
  const job = {
    provider: ci.issuer,
    repository: 'acme/quakes',
    commit: '7514fa1dc7bdff47c7850d2611e3535a2dcfcd9c',
    ref: 'refs/heads/main',
    workflow: 'acme/quakes/.github/workflows/deploy.yml@refs/heads/main',
    run: '99',
  };
  expect(await daemon.call('showDeploy', { params: { id: deployed.deploy_id } })).toMatchObject({ job });
  const shown = await daemon.call('showHook', { params: { name: 'probe' } });
  expect(shown.live).toMatchObject({ built_in: job, built_by: json?.subject });
  const events = await daemon.database.open(daemon.database.ownerUrl, { max: 1 })
    .sql`select payload from events where type = 'token.exchanged' order by id desc limit 1`;
  expect(events).toMatchObject([{ payload: { publisher: rule.id, repository: 'acme/quakes', run: '99' } }]);
  await daemon.call('deploy', { json: deployRequest([declaration('probe', digest)]) });
  const { items } = await daemon.call('listDeploys');
  expect(items.map((item) => item.job === null)).toEqual([true, false]);
});

test('its scopes are those of the rule alone, and a removed rule ends its tokens', async () => {
  const other = await add({ repository: 'acme/removed' }, ['hooks:write:probe']);
  const { json } = await exchange(good({ repository: 'acme/removed', sub: 'repo:acme/removed' }));
  const headers = { authorization: `Bearer ${json?.token}`, 'content-type': 'application/json' };
  const pause = (name: string) =>
    daemon.send('POST', `/api/v1/hooks/${name}/pause`, { headers, body: JSON.stringify({}) });
  expect((await pause('other')).status).toBe(403);
  expect((await pause('probe')).status).toBe(200);
  await daemon.call('removePublisher', { params: { id: other.id }, json: {}, headers: await admin() });
  expect((await pause('probe')).status).toBe(401);
  expect((await exchange(good({ repository: 'acme/removed', sub: 'repo:acme/removed' }))).status).toBe(403);
  await daemon.call('resumeHook', { params: { name: 'probe' }, json: {} });
});

test('a token with the scopes of two rules ends when either of them is removed', async () => {
  for (const removed of [0, 1]) {
    const repository = `acme/both-${removed}`;
    const rules = [
      await add({ repository }, ['hooks:write:probe']),
      await add({ repository, ref: 'refs/heads/main' }, ['hooks:write:other']),
    ];
    const { json } = await exchange(good({ repository, sub: `repo:${repository}` }));
    expect(json?.scopes).toEqual(['hooks:write:other', 'hooks:write:probe']);
    const me = () =>
      daemon.send('GET', '/api/v1/auth/me', { headers: { authorization: `Bearer ${json?.token}` } });
    expect((await me()).status).toBe(200);
    const id = rules[removed]?.id ?? '';
    await daemon.call('removePublisher', { params: { id }, json: {}, headers: await admin() });
    expect((await me()).status).toBe(401);
  }
});

describe('forged tokens', () => {
  const seconds = () => Math.floor(Date.now() / 1_000);
  const attacker = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const attackerEc = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const attackerEd = generateKeyPairSync('ed25519');
  const jwk = attacker.publicKey.export({ format: 'jwk' });
  const hmac = (key: string | Buffer, header: object = {}) => {
    const signed = `${encoded(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid: 'rsa-1', ...header }))}.${encoded(
      JSON.stringify(ci.claims(audience)),
    )}`;
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
  };
  const publicPem = () => createPublicKey(ci.rsa).export({ type: 'spki', format: 'pem' });
  const parts = (token: string) => token.split('.') as [string, string, string];
  const withClaims = (changes: object) => () => good(changes);
  const without = (name: string) => () => {
    const { [name]: _, ...claims } = ci.claims(audience);
    return ci.token(claims);
  };
  const withHeader =
    (header: object, key: () => KeyObject = () => ci.rsa) =>
    () =>
      compact({ alg: 'RS256', typ: 'JWT', kid: 'rsa-1', ...header }, ci.claims(audience), key());

  const forged: readonly (readonly [string, () => string])[] = [
    ['nothing but dots', () => '..'],
    ['no token', () => 'x'],
    ['two parts', () => parts(good()).slice(0, 2).join('.')],
    ['four parts', () => `${good()}.x`],
    ['padding', () => `${good()}=`],
    ['a blank at its end', () => `${good()} `],
    ['an empty signature', () => `${parts(good()).slice(0, 2).join('.')}.`],
    ['alg none', () => `${encoded('{"alg":"none"}')}.${encoded(JSON.stringify(ci.claims(audience)))}.`],
    ['alg None with the signature', withHeader({ alg: 'None' })],
    ['HS256 with the public key as PEM', () => hmac(String(publicPem()))],
    ['HS256 with the public key trimmed', () => hmac(String(publicPem()).trim())],
    ['HS256 with the key set', () => hmac(JSON.stringify(ci.jwks()))],
    ['HS256 with nothing', () => hmac('')],
    ['HS256 under the kid of the EC key', () => hmac(String(publicPem()), { kid: 'ec-1' })],
    ['EdDSA of a stranger', withHeader({ alg: 'EdDSA' }, () => attackerEd.privateKey)],
    ['RS512 with the right key', withHeader({ alg: 'RS512' })],
    ['PS256 named over RS256', withHeader({ alg: 'PS256' })],
    ['ES256 named over RS256', withHeader({ alg: 'ES256' })],
    ['RS256 named over ES256', withHeader({ kid: 'ec-1' }, () => ci.ec)],
    ['ES256 of a stranger', withHeader({ alg: 'ES256', kid: 'ec-1' }, () => attackerEc.privateKey)],
    [
      'ES256 with zeros',
      () =>
        `${parts(withHeader({ alg: 'ES256', kid: 'ec-1' }, () => ci.ec)())
          .slice(0, 2)
          .join('.')}.${Buffer.alloc(64).toString('base64url')}`,
    ],
    ['RS256 of a stranger', withHeader({}, () => attacker.privateKey)],
    ['RS256 of a stranger with its jwk', withHeader({ jwk }, () => attacker.privateKey)],
    ['a jku', withHeader({ jku: 'http://127.0.0.1:9/keys' }, () => attacker.privateKey)],
    ['an x5u', withHeader({ x5u: 'http://127.0.0.1:9/keys' }, () => attacker.privateKey)],
    ['an x5c', withHeader({ x5c: ['abc'] }, () => attacker.privateKey)],
    ['a crit', withHeader({ crit: ['exp'] })],
    ['b64 false', withHeader({ b64: false })],
    ['an unknown kid', withHeader({ kid: 'nobody' })],
    ['a kid of the other kind', withHeader({ kid: 'ec-1' })],
    ['a kid that is a path', withHeader({ kid: '../../dev/null' })],
    ['a kid that is no text', withHeader({ kid: 7 })],
    ['typ of an access token', withHeader({ typ: 'at+JWT' })],
    ['typ of another kind', withHeader({ typ: 'at+JWT; x' })],
    [
      'a changed payload',
      () => {
        const [header, , signature] = parts(good());
        return `${header}.${encoded(JSON.stringify(ci.claims(audience, { repository: 'acme/quakes' })))}.${signature}`;
      },
    ],
    [
      'a changed header',
      () => {
        const [, payload, signature] = parts(good());
        return `${encoded('{"alg":"RS256","kid":"rsa-1"}')}.${payload}.${signature}`;
      },
    ],
    [
      'a repeated claim',
      () =>
        ci.token(ci.claims(audience)).replace(/^/, '') &&
        compact(
          { alg: 'RS256', kid: 'rsa-1' },
          `{"iss":"${ci.issuer}",${JSON.stringify(ci.claims(audience)).slice(1)}`,
          ci.rsa,
        ),
    ],
    ['a payload that is a list', () => compact({ alg: 'RS256', kid: 'rsa-1' }, '[]', ci.rsa)],
    ['a payload that is no JSON', () => compact({ alg: 'RS256', kid: 'rsa-1' }, '{', ci.rsa)],
    ['another issuer', withClaims({ iss: 'https://token.actions.githubusercontent.com' })],
    ['an issuer with a slash', () => good({ iss: `${ci.issuer}/` })],
    ['an issuer in capitals', () => good({ iss: ci.issuer.toUpperCase() })],
    ['issuers as a list', () => good({ iss: [ci.issuer] })],
    ['no issuer', without('iss')],
    ['another audience', withClaims({ aud: 'https://example.org' })],
    ['an audience with a slash', withClaims({ aud: `${audience}/` })],
    ['two audiences', withClaims({ aud: [audience, 'https://example.org'] })],
    ['no audience', without('aud')],
    ['an empty list of audiences', withClaims({ aud: [] })],
    ['expired', () => good({ iat: seconds() - 1_000, exp: seconds() - 100 })],
    ['no exp', without('exp')],
    ['exp as text', () => good({ exp: String(seconds() + 300) })],
    ['exp in milliseconds', () => good({ exp: Date.now() * 1_000 })],
    ['no iat', without('iat')],
    ['issued in the future', () => good({ iat: seconds() + 600, exp: seconds() + 900 })],
    ['not valid yet', () => good({ nbf: seconds() + 600 })],
    ['a life of two days', () => good({ exp: seconds() + 172_800 })],
    ['ended before it began', () => good({ iat: seconds() + 20, exp: seconds() + 10 })],
    ['no sub', without('sub')],
    ['an empty sub', withClaims({ sub: ' ' })],
    ['a sub with a line break', withClaims({ sub: 'repo:acme\nquakes' })],
    ['a sub that is too long', withClaims({ sub: 'x'.repeat(300) })],
    ['another repository', withClaims({ repository: 'mallory/quakes' })],
    ['a repository in capitals', withClaims({ repository: 'ACME/quakes' })],
    ['a repository that goes on', withClaims({ repository: 'acme/quakes2' })],
    ['repositories as a list', withClaims({ repository: ['acme/quakes'] })],
    ['no repository', without('repository')],
    ['another branch', withClaims({ ref: 'refs/heads/dev' })],
    ['a pull request', withClaims({ ref: 'refs/pull/7/merge' })],
    ['no ref', without('ref')],
    ['a token of our own', () => 'OWN'],
    ['a token of a machine issuer', () => 'MACHINE'],
  ];

  test('there are sixty and more', () => expect(forged.length).toBeGreaterThanOrEqual(60));

  test.each(forged)('%s is refused', async (_, make) => {
    const made = make();
    const own = made === 'OWN' ? (await exchange(good())).json?.token : undefined;
    const machine = made === 'MACHINE' ? (await daemon.bearer(scopes)).slice('Bearer '.length) : undefined;
    const before = await exchanges();
    const answer = await exchange(own ?? machine ?? made);
    expect(answer.json).toBeUndefined();
    expect([400, 401, 403, 422]).toContain(answer.status);
    expect(await exchanges()).toBe(before);
  });

  test('one that was taken before is refused, also at the same time', async () => {
    const token = good();
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(401)]);
    const [again] = answers.filter(({ status }) => status === 401);
    expect(again?.problem?.message).toContain('taken before');
  });

  test('a twin signature of ES256 is the same token', async () => {
    const token = ci.token(ci.claims(audience), { alg: 'ES256', kid: 'ec-1' }, ci.ec);
    const [header, payload, signature] = parts(token);
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const bytes = Buffer.from(signature, 'base64url');
    const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
    expect((await exchange(token)).status).toBe(200);
    expect((await exchange(`${header}.${payload}.${twin.toString('base64url')}`)).status).toBe(401);
  });

  test('neither token is in the log', async () => {
    const token = good();
    const { json } = await exchange(token);
    const log = daemon.log.join('');
    expect(log).not.toContain(token.slice(-40));
    expect(log).not.toContain(json?.token.slice(-40));
  });
});

test('a job that no rule is for learns which claim differs', async () => {
  const { problem } = await exchange(good({ ref: 'refs/heads/dev' }));
  expect(problem).toMatchObject({ code: 'access_denied' });
  expect(problem?.message).toContain('wants ref "refs/heads/main", and the job has "refs/heads/dev"');
});

test('a job of a stranger learns which claims differ, and of the rules their names only', async () => {
  const gitlab = await add({ project_path: 'acme/hidden', ref_path: 'refs/heads/secret' });
  const { problem } = await exchange(good({ repository: 'mallory/x' }));
  await daemon.call('removePublisher', { params: { id: gitlab.id }, json: {}, headers: await admin() });
  expect(problem?.code).toBe('access_denied');
  expect(problem?.message).toContain('another repository, and the job has "mallory/x"');
  expect(problem?.message).toMatch(/another (project|ref)_path, and the token has no such claim/);
  expect(problem?.message).not.toMatch(/hidden|secret/);
});

describe('a rule', () => {
  test.each([
    ['of everybody', { ref: 'refs/heads/main' }],
    ['of all repositories', { repository: 'a*' }],
    ['of all subjects', { sub: 'repo:*' }],
    ['with a star in the middle', { repository: 'acme/*/x' }],
    ['without claims', {}],
  ])('%s is refused', async (_, claims) => {
    const body = JSON.stringify({ issuer: ci.issuer, claims, scopes });
    const headers = { ...(await admin()), 'content-type': 'application/json' };
    expect((await daemon.send('POST', '/api/v1/publishers', { headers, body })).status).toBe(422);
  });

  test.each([
    'http://example.org',
    'https://user@example.org',
    'https://example.org?x',
    'file:///etc/passwd',
  ])('of the provider %s is refused', async (issuer) => {
    const body = JSON.stringify({ issuer, claims: { repository: 'acme/x' }, scopes });
    const headers = { ...(await admin()), 'content-type': 'application/json' };
    expect((await daemon.send('POST', '/api/v1/publishers', { headers, body })).status).toBe(422);
  });

  test('gives away no more than its maker has, and takes the scope publishers:write', async () => {
    const body = JSON.stringify({
      issuer: ci.issuer,
      claims: { repository: 'acme/x' },
      scopes: ['hooks:write'],
    });
    for (const held of [['publishers:write'], ['publishers:write', 'hooks:write:x'], ['hooks:write']]) {
      const headers = { authorization: await daemon.bearer(held), 'content-type': 'application/json' };
      expect((await daemon.send('POST', '/api/v1/publishers', { headers, body })).status).toBe(403);
    }
  });
});

describe('keys of the provider', () => {
  test('are fetched once for many tokens', async () => {
    const before = ci.asked();
    await Promise.all(Array.from({ length: 5 }, () => exchange(good())));
    expect(ci.asked() - before).toBe(0);
  });

  test('that cannot be had are no accepted token, and the answer says what to do', async () => {
    await using away = await openIdProvider();
    away.publish(undefined);
    const json = { issuer: away.issuer, claims: { repository: 'acme/quakes' }, scopes };
    await daemon.call('addPublisher', { json, headers: await admin() });
    const answer = await exchange(away.token(away.claims(audience)));
    expect(answer.problem).toMatchObject({
      code: 'busy',
      message: expect.stringContaining('cannot be fetched'),
    });
    expect(answer.headers['retry-after']).toBe('30');
  });
});

async function exchanges(): Promise<number> {
  const [row] = await database().sql<{ n: number }[]>`select count(*)::integer as n from exchanges`;
  return row?.n ?? -1;
}

let opened: ReturnType<TestDaemon['database']['open']> | undefined;
function database() {
  opened ??= daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  return opened;
}
