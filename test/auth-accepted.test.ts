import { actorUuid } from '@osa/core/auth/principal';
import { tokenVerifier } from '@osa/core/auth/verify';
import { grantRole, revokeRole } from '@osa/core/postgres/access';
import { connect } from '@osa/core/postgres/connection';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AuthDaemon,
  attacker,
  audience,
  authDaemon,
  type Claims,
  claims,
  edDsa,
  forge,
  good,
  header,
  hmac,
  machine,
  now,
  person,
  personClaims,
  rotated,
  rotating,
  skewSeconds,
  trustedForTests,
} from './auth-support.ts';
import { withDatabase } from './cluster.ts';
import { deployRequest } from './daemon-support.ts';
import { digestOf } from './registry-support.ts';

/** Tokens that are accepted, and what they grant. */

let place: AuthDaemon;
beforeAll(async () => {
  place = await authDaemon();
  const hook = (name: string) => ({
    name,
    feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
    release: { image: 'example', digest: digestOf(name), source_ref: 'git:1' },
  });
  const { status } = await place.daemon.send('POST', '/api/v1/conventions', {
    headers: {
      authorization: `Bearer ${good({ scope: 'conventions:write' })}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(deployRequest(['probe', 'seismic_energy', 'felt_radius'].map(hook))),
  });
  expect(status).toBe(201);
});
afterAll(() => place.daemon.close());

const user = '0198c0de-2222-4222-8222-222222222222';

const accepted: Readonly<Record<string, () => string>> = {
  'with an algorithm and nothing else in its header': () => good(),
  'of type JWT': () => forge({ ...header, typ: 'JWT' }, claims()),
  'of type at+jwt': () => forge({ ...header, typ: 'at+jwt' }, claims()),
  'under the name of RFC 9864': () => forge({ alg: 'Ed25519' }, claims()),
  'for several audiences': () => good({ aud: [audience, 'other'] }),
  'with claims that are not ours': () =>
    good(Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`claim_${n}`, { n }]))),
  'with any kid, where the issuer has one key': () => forge({ ...header, kid: '../../x' }, claims()),
  'with the kid of its key, where there are several': () =>
    forge({ ...header, kid: 'second' }, claims({ iss: rotating }), edDsa(rotated.second)),
  'whose end lies within what clocks may differ': () =>
    good({ iat: now() - 60, exp: now() - skewSeconds + 5 }),
  'whose end has a fraction': () => good({ exp: now() + 60.5 }),
  'with an id of its own': () => good({ jti: 'run 7' }),
  'of a person': () => person(user),
};

test.each(Object.entries(accepted))('a token %s', async (_, make) => {
  const { status, text } = await place.whoami(`Bearer ${make()}`);
  expect([status, text]).toEqual([200, expect.stringContaining('"subject"')]);
});

test('a machine is its issuer and subject, byte for byte, whatever roles it claims', async () => {
  const sub = 'ci-école-日本';
  const more = { role: 'ADMIN', roles: ['SUPERADMIN'], is_admin: true, user_metadata: { role: 'ADMIN' } };
  const { text } = await place.whoami(`Bearer ${good({ sub, scope: 'runs:read hooks:write:x', ...more })}`);
  expect(JSON.parse(text)).toMatchObject({
    kind: 'machine',
    issuer: machine,
    subject: sub,
    id: actorUuid({ issuer: machine, subject: sub }),
    scopes: ['hooks:write:x', 'runs:read'],
    roles: [],
  });
  expect((await place.write(`Bearer ${good({ scope: '', ...more })}`)).status).toBe(403);
  await place.write(`Bearer ${good({ sub })}`);
  const [actor] = await place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 }).sql`
    select issuer, subject from actors where subject = ${sub}`;
  expect(actor).toEqual({ issuer: machine, subject: sub });
});

test('who a token is tells its own end, whatever clocks may differ by', async () => {
  const endOf = async (token: string) => JSON.parse((await place.whoami(`Bearer ${token}`)).text).expires_at;
  const exp = now() + 60;
  expect(await endOf(good({ exp }))).toBe(new Date(exp * 1_000).toISOString());
  expect(await endOf(person(user, { exp }))).toBe(new Date(exp * 1_000).toISOString());
  expect(await endOf(person(user, { exp: 253_402_300_799 }))).toBe('9999-12-31T23:59:59.000Z');
});

test('a token that is remembered is forgotten when it ends, and not before', async () => {
  let clock = Date.now();
  const verifier = tokenVerifier(await trustedForTests(), () => clock);
  const exp = now() + 60;
  const token = good({ exp });
  const verified = verifier.verify(token);
  clock = (exp + skewSeconds) * 1_000 - 1;
  expect(verifier.verify(token)).toBe(verified);
  clock += 1;
  expect(() => verifier.verify(token)).toThrow('the token has expired');
});

describe('scopes', () => {
  const granted: readonly (readonly [string, Claims])[] = [
    ['a text', { scope: 'runs:read hooks:write' }],
    ['a text with one twice', { scope: 'hooks:write hooks:write' }],
    ['a list', { scope: ['runs:read', 'hooks:write'] }],
    ['one for this hook', { scope: 'hooks:write:probe' }],
    ['one for hooks with such a name', { scope: 'hooks:write:pro*' }],
  ];
  test.each(granted)('%s', async (_, changes) => {
    expect((await place.write(`Bearer ${good(changes)}`)).status).toBe(200);
  });

  const withheld: readonly (readonly [string, Claims])[] = [
    ['none', { scope: undefined }],
    ['an empty text', { scope: '' }],
    ['another one', { scope: 'hooks:read' }],
    ['almost the one', { scope: 'hooks:write2 xhooks:write hooks:writ' }],
    ['capitals', { scope: 'HOOKS:WRITE' }],
    ['wildcards for verbs', { scope: '* hooks:* hooks:*:probe' }],
    ['parted by a comma', { scope: 'hooks:read,hooks:write' }],
    ['parted by another space', { scope: 'runs:read\u00a0hooks:write\thooks:write' }],
    ['a list with a text of two', { scope: ['runs:read hooks:write'] }],
    ['in another claim', { scope: undefined, scp: 'hooks:write', scopes: ['hooks:write'] }],
    ['one for another hook', { scope: 'hooks:write:prob hooks:write:probes hooks:write:*robe' }],
  ];
  test.each(withheld)('not by %s', async (_, changes) => {
    const { status, problem } = await place.write(`Bearer ${good(changes)}`);
    expect([status, problem?.code, problem?.details?.scope]).toEqual([
      403,
      'access_denied',
      'hooks:write:probe',
    ]);
  });

  test('a pattern rolls back the hooks that it names, and names what is missing for others', async () => {
    const authorization = `Bearer ${good({ scope: 'hooks:write:seismic_*' })}`;
    const headers = { authorization, 'content-type': 'application/json' };
    const send = (hook: string, what: string, body: object) =>
      place.daemon.send('POST', `/api/v1/hooks/${hook}/${what}`, { headers, body: JSON.stringify(body) });
    await send('seismic_energy', 'releases', { digest: digestOf('second') });
    const { status, text } = await send('seismic_energy', 'rollback', {});
    expect([status, JSON.parse(text).live_version]).toEqual([200, 1]);
    const refused = await send('felt_radius', 'rollback', {});
    expect([refused.status, refused.problem?.details]).toEqual([403, { scope: 'hooks:write:felt_radius' }]);
    expect(refused.headers['www-authenticate']).toBe(
      'Bearer error="insufficient_scope", scope="hooks:write:felt_radius"',
    );
  });
});

describe('a person', () => {
  test('passes every gate with the role ADMIN, from when it is given to when it is taken away', async () => {
    const owner = place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 });
    const authorization = `Bearer ${person(user, { scope: 'hooks:write', roles: ['ADMIN'] })}`;
    expect((await place.write(authorization)).status).toBe(403);
    expect(await grantRole(owner, user, 'CURATOR')).toBe(true);
    expect((await place.write(authorization)).status).toBe(403);
    expect(await grantRole(owner, user, 'ADMIN')).toBe(true);
    expect(await grantRole(owner, user, 'ADMIN')).toBe(false);
    expect((await place.write(authorization)).status).toBe(200);
    expect(JSON.parse((await place.whoami(authorization)).text)).toMatchObject({
      kind: 'person',
      id: user,
      subject: user,
      scopes: [],
      roles: ['admin', 'curator'],
    });
    // A machine that calls itself so is still a machine.
    expect((await place.write(`Bearer ${good({ sub: user, scope: '' })}`)).status).toBe(403);
    expect(await revokeRole(owner, user, 'ADMIN')).toBe(true);
    expect((await place.write(authorization)).status).toBe(403);
  });
});

test('the issuers that are trusted can be read, and nothing that is secret', async () => {
  const { status, text } = await place.daemon.send('GET', '/api/v1/auth/issuers');
  expect(status).toBe(200);
  const answer = JSON.parse(text);
  expect(Math.abs(Date.parse(answer.now) - Date.now())).toBeLessThan(60_000);
  expect(answer.issuers.map(({ issuer }: { issuer: string }) => issuer)).toEqual([machine, rotating]);
  expect(answer.issuers[1].keys.map(({ kid }: { kid: string }) => kid)).toEqual(['first', 'second']);
  expect(text).not.toContain('primary');
});

describe('what is told of it', () => {
  async function events(type: string): Promise<Record<string, unknown>[]> {
    const owner = place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 });
    const rows = await owner.sql<{ payload: Record<string, unknown>; subject: string }[]>`
      select e.payload, a.subject from events e join actors a on a.id = (e.payload ->> 'actor')::bigint
      where e.type = ${type} order by e.id`;
    return rows.map(({ payload: { actor: _, ...payload }, subject }) => ({ ...payload, subject }));
  }

  test('each write, with its actor, token, scope and route', async () => {
    await place.write(`Bearer ${good({ jti: 'write 1', sub: 'writer' })}`);
    const headers = {
      authorization: `Bearer ${good({ jti: 'write 2', sub: 'writer' })}`,
      'content-type': 'application/json',
    };
    const body = JSON.stringify({ digest: digestOf('told') });
    for (const _ of [1, 2])
      await place.daemon.send('POST', '/api/v1/hooks/probe/releases', { headers, body });
    const told = (await events('request.accepted')).filter(({ subject }) => subject === 'writer');
    const release = {
      jti: 'write 2',
      scope: 'hooks:write:probe',
      route: 'POST /api/v1/hooks/:name/releases',
      outcome: 'accepted',
      subject: 'writer',
    };
    expect(told).toEqual([
      { ...release, jti: 'write 1', route: 'POST /api/v1/hooks/:name/resume' },
      release,
      release,
    ]);
  });

  test('each refusal for a scope', async () => {
    await place.write(`Bearer ${good({ jti: 'no 1', sub: 'refused', scope: 'runs:read' })}`);
    expect((await events('request.denied')).filter(({ subject }) => subject === 'refused')).toEqual([
      {
        jti: 'no 1',
        scope: 'hooks:write:probe',
        route: 'POST /api/v1/hooks/:name/resume',
        outcome: 'denied',
        subject: 'refused',
      },
    ]);
  });

  test('each refused token in the log and as a number, and never in the database', async () => {
    const before = await events('request.denied');
    const lines = place.daemon.log.length;
    await place.whoami(`Bearer ${good({ aud: 'other' })}`);
    await place.whoami(`Bearer ${good({ exp: now() - 600, iat: now() - 700 })}`);
    const told = place.daemon.log.slice(lines).map((line) => JSON.parse(line));
    expect(told.map(({ level, address, reason }) => [level, address, reason])).toEqual([
      ['warn', '127.0.0.1', 'it is for another audience'],
      ['warn', '127.0.0.1', 'it has expired'],
    ]);
    const { text } = await place.daemon.send('GET', '/metrics');
    expect(text).toMatch(/osa_tokens_refused_total\{reason="it has expired"\} [1-9]/);
    expect(await events('request.denied')).toEqual(before);
  });
});

test('a flood of bad tokens is answered without the database', async () => {
  const other = await authDaemon(50);
  const { ownerUrl, appUrl } = other.daemon.database;
  const admin = connect({ url: withDatabase(ownerUrl, 'postgres'), max: 1, applicationName: 'osa tests' });
  const name = new URL(appUrl).pathname.slice(1);
  try {
    await admin.sql.unsafe(`alter database "${name}" with allow_connections false`);
    await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    const bad = [
      good({ aud: 'other' }),
      forge(header, claims(), edDsa(attacker)),
      forge({ alg: 'HS256' }, personClaims(user), hmac(Buffer.alloc(40))),
      'not.a.token',
    ];
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, n) => other.write(`Bearer ${bad[n % bad.length]}`)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
    // The same request by somebody who may make it does need it.
    expect((await other.write(`Bearer ${good()}`)).status).toBe(503);
  } finally {
    await admin.sql.unsafe(`alter database "${name}" with allow_connections true`);
    await admin.close();
    await other.daemon.close();
  }
});

test('who fails too often is told to wait, and a good token of the same address passes', async () => {
  const other = await authDaemon(5);
  try {
    const bad = () => other.whoami(`Bearer ${good({ aud: 'other' })}`);
    const statuses = [];
    for (let count = 0; count < 8; count += 1) statuses.push((await bad()).status);
    expect(statuses.slice(0, 5)).toEqual(Array(5).fill(401));
    expect(statuses).toContain(429);
    const limited = await bad();
    if (limited.status === 429) expect(limited.headers['retry-after']).toBe('1');
    expect((await other.whoami(`Bearer ${good()}`)).status).toBe(200);
    const lines = other.daemon.log.filter((line) => line.includes('without an accepted token'));
    expect(lines.length).toBeLessThan(statuses.length);
  } finally {
    await other.daemon.close();
  }
});
