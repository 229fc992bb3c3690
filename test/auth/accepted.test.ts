import { actorUuid } from '@osa/core/auth/principal';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { grantRole, revokeRole } from '@osa/core/postgres/access';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuthDaemon, authDaemon, deployHooks, leaksOf } from '../support/auth-daemon.ts';
import {
  audience,
  type Claims,
  claims,
  edDsa,
  forge,
  good,
  header,
  machine,
  now,
  parts,
  person,
  rotated,
  rotating,
  skewSeconds,
  trustedForTests,
} from '../support/auth-support.ts';
import { codeOf } from '../support/database/registry-support.ts';

/** Tokens that are accepted, and what they grant. */

let place: AuthDaemon;
beforeAll(async () => {
  place = await authDaemon();
  await deployHooks(place);
});
afterAll(() => place.daemon.close());

const user = '0198c0de-2222-4222-8222-222222222222';

const accepted: Readonly<Record<string, () => string>> = {
  'jwt-ok-01 with an algorithm and nothing else in its header': () => good(),
  'jwt-ok-02 of type JWT': () => forge({ ...header, typ: 'JWT' }, claims()),
  'jwt-ok-03 of type at+jwt': () => forge({ ...header, typ: 'at+jwt' }, claims()),
  'jwt-alg-19 under the name of RFC 9864': () => forge({ alg: 'Ed25519' }, claims()),
  'jwt-ok-04 for several audiences': () => good({ aud: [audience, 'other'] }),
  'jwt-ok-06 with claims that are not ours': () =>
    good(Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`claim_${n}`, { n }]))),
  'jwt-hdrkey-17 with any kid, where the issuer has one key': () =>
    forge({ ...header, kid: '../../x' }, claims()),
  'with the kid of its key, where there are several': () =>
    forge({ ...header, kid: 'second' }, claims({ iss: rotating }), edDsa(rotated.second)),
  'jwt-time-04 whose end lies within what clocks may differ': () =>
    good({ iat: now() - 60, exp: now() - skewSeconds + 5 }),
  'jwt-time-07 whose end has a fraction': () => good({ exp: now() + 60.5 }),
  'with an id of its own': () => good({ jti: 'run 7' }),
  'jwt-ok-07 of a person, beside machine issuers': () => person(user),
};

test.each(Object.entries(accepted))('a token %s', async (_, make) => {
  const token = make();
  const { status, text } = await place.whoami(`Bearer ${token}`);
  const { iss: issuer, sub: subject } = JSON.parse(Buffer.from(parts(token)[1], 'base64url').toString());
  const machineOf = { kind: 'machine', issuer, subject, scopes: ['hooks:write'], roles: [] };
  const personOf = { kind: 'person', issuer: 'primary', subject, scopes: [], roles: [] };
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject(issuer === undefined ? personOf : machineOf);
});

test('jwt-ok-08 without machine issuers no token of a machine is accepted, and persons are as with them', async () => {
  const alone = await authDaemon({ trusted: { machines: [] } });
  try {
    for (const token of [
      good(),
      forge({ ...header, kid: 'first' }, claims({ iss: rotating }), edDsa(rotated.first)),
    ]) {
      const found = [await alone.whoami(`Bearer ${token}`), await alone.write(`Bearer ${token}`)];
      expect(found.map(({ status, problem }) => [status, problem?.code])).toEqual(
        Array(2).fill([401, 'invalid_token']),
      );
    }
    const tokens = [
      person(user),
      person(user, { scope: 'hooks:write' }),
      person('x'),
      person(user, { exp: 1 }),
    ];
    for (const authorization of tokens.map((token) => `Bearer ${token}`)) {
      for (const ask of ['whoami', 'write'] as const) {
        const [here, there] = [await place[ask](authorization), await alone[ask](authorization)];
        const said = [here, there].map(({ status, text, headers }) => [
          status,
          text.replace(String(headers['x-request-id']), 'ID'),
        ]);
        expect(said[1]).toEqual(said[0]);
      }
    }
    expect(await leaksOf(alone)).toEqual([]);
  } finally {
    await alone.daemon.close();
  }
});

test('jwt-ok-05 jwt-confusion-13 a machine is its issuer and subject, byte for byte, whatever roles it claims', async () => {
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

test('a caller’s answer states when the token expires, without the clock tolerance', async () => {
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
    ['jwt-scope-14 a text with one twice', { scope: 'hooks:write hooks:write' }],
    ['jwt-scope-09 a list', { scope: ['runs:read', 'hooks:write'] }],
    ['one for this hook', { scope: 'hooks:write:probe' }],
    ['one for hooks with such a name', { scope: 'hooks:write:pro*' }],
  ];
  test.each(granted)('%s', async (_, changes) => {
    expect((await place.write(`Bearer ${good(changes)}`)).status).toBe(200);
  });

  const withheld: readonly (readonly [string, Claims])[] = [
    ['jwt-scope-01 none', { scope: undefined }],
    ['jwt-scope-02 an empty text', { scope: '' }],
    ['jwt-scope-03 another one', { scope: 'hooks:read' }],
    ['jwt-scope-04 almost the one', { scope: 'hooks:write2 xhooks:write hooks:writ' }],
    ['jwt-scope-05 capitals', { scope: 'HOOKS:WRITE' }],
    ['jwt-scope-06 wildcards for verbs', { scope: '* hooks:* hooks:*:probe' }],
    ['jwt-scope-07 separated by a comma', { scope: 'hooks:read,hooks:write' }],
    ['separated by another kind of space', { scope: 'runs:read\u00a0hooks:write\thooks:write' }],
    ['jwt-scope-09 a list with a text of two', { scope: ['runs:read hooks:write'] }],
    ['jwt-scope-12 in another claim', { scope: undefined, scp: 'hooks:write', scopes: ['hooks:write'] }],
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
    await send('seismic_energy', 'releases', codeOf('second'));
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
  test('jwt-confusion-12 jwt-confusion-14 passes every gate with the role ADMIN, while it has it, and nobody else does', async () => {
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

describe('what the log says about it', () => {
  async function events(type: string): Promise<Record<string, unknown>[]> {
    const owner = place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 });
    const rows = await owner.sql<{ payload: Record<string, unknown>; subject: string }[]>`
      select e.payload, a.subject from events e join actors a on a.id = (e.payload ->> 'actor')::bigint
      where e.type = ${type} order by e.id`;
    return rows.map(({ payload: { actor: _, request_id: __, ...payload }, subject }) => ({
      ...payload,
      subject,
    }));
  }

  test('each write, with its actor, token, scope and route', async () => {
    await place.write(`Bearer ${good({ jti: 'write 1', sub: 'writer' })}`);
    const headers = {
      authorization: `Bearer ${good({ jti: 'write 2', sub: 'writer' })}`,
      'content-type': 'application/json',
    };
    const body = JSON.stringify(codeOf('told'));
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
    const warned = told.filter(({ msg }) => msg !== 'request');
    expect(warned.map(({ level, address, reason }) => [level, address, reason])).toEqual([
      ['warn', '127.0.0.1', 'it is for another audience'],
      ['warn', '127.0.0.1', 'it has expired'],
    ]);
    const { text } = await place.daemon.send('GET', '/metrics');
    expect(text).toMatch(/osa_tokens_refused_total\{reason="it has expired"\} [1-9]/);
    expect(await events('request.denied')).toEqual(before);
  });
});

test('jwt-oracle-03 nothing of any token is in the log or in any table', async () => {
  expect(place.presented.length).toBeGreaterThan(30);
  expect(await leaksOf(place)).toEqual([]);
});
