import dns from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { asOsaError } from '@osa/core/error';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type AuthDaemon, authDaemon, deployHooks, leaksOf } from '../support/auth-daemon.ts';
import { attacker, claims, edDsa, forge, good, header, trustedForTests } from '../support/auth-support.ts';
import type { Received } from '../support/daemon-support.ts';
import { state } from '../support/database/sql-attack.ts';
import { refusedClaims } from '../support/fixtures/refused-claims.ts';
import { refusedForms } from '../support/fixtures/refused-forms.ts';
import { refusedHeaders } from '../support/fixtures/refused-headers.ts';

/** Tokens that must not be accepted. Each gets the same answer, whatever is wrong with it, and leaves nothing behind. */

const verifier = tokenVerifier(await trustedForTests());
/** To a read, and to a write, whose body nobody reads. */
const answers: { readonly reads: Received[]; readonly writes: Received[] } = { reads: [], writes: [] };
let place: AuthDaemon;
let untouched: Awaited<ReturnType<typeof state>>;
const stored = () => state(place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 }));
beforeAll(async () => {
  place = await authDaemon();
  await deployHooks(place);
  untouched = await stored();
});
afterAll(() => place.daemon.close());

/** By the verification alone, and by the daemon, for a read and for a write. */
async function refused(token: string): Promise<void> {
  expect(codeOf(() => verifier.verify(token))).toBe('invalid_token');
  if (/[\r\n]/.test(token)) {
    // A line end ends the header: HTTP has refused it, or the rest of it is not a token.
    expect(await place.raw(`Bearer ${token}`)).toMatch(/^HTTP\/1\.1 40[01] /);
    return;
  }
  answers.reads.push(badToken(await place.whoami(`Bearer ${token}`)));
  answers.writes.push(badToken(await place.write(`Bearer ${token}`)));
}

function badToken(answer: Received): Received {
  expect([answer.status, answer.problem?.code]).toEqual([401, 'invalid_token']);
  return answer;
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return asOsaError(error)?.code;
  }
}

const families = Object.entries({ ...refusedHeaders, ...refusedForms, ...refusedClaims });
describe.each(families)('%s', (_, cases) => {
  test.each(Object.entries(cases))('%s', async (__, make) => {
    const tokens = [make()].flat();
    expect(tokens.length).toBeGreaterThan(0);
    for (const token of tokens) await refused(token);
  });
});

describe('a key that the header brings is neither used nor fetched', () => {
  const jwk = attacker.publicKey.export({ format: 'jwk' });
  const server = createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
  const lookup = vi.spyOn(dns, 'lookup');
  let requests = 0;
  let origin: string;
  beforeAll(async () => {
    server.on('request', () => {
      requests += 1;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    lookup.mockClear();
  });
  afterAll(() => {
    lookup.mockRestore();
    server.close();
  });

  test.each<[string, () => readonly object[]]>([
    ['jwt-hdrkey-01 as jwk', () => [{ jwk }, { jwk: { ...jwk, kid: 'first' }, kid: 'first' }]],
    [
      'jwt-hdrkey-02 behind jku',
      () => [`http://${origin}/keys`, 'http://canary.invalid/keys'].map((jku) => ({ jku })),
    ],
    [
      'jwt-hdrkey-03 behind x5u',
      () => [`http://${origin}/cert`, 'http://canary.invalid/cert'].map((x5u) => ({ x5u })),
    ],
  ])('%s', async (_, changes) => {
    for (const change of changes()) {
      await refused(forge({ ...header, ...change }, claims(), edDsa(attacker)));
      await refused(forge({ ...header, ...change }, claims()));
    }
    // Its own answer shows that the server would have counted.
    await (await fetch(`http://${origin}/keys`)).arrayBuffer();
    expect(requests).toBe(1);
    expect(lookup.mock.calls.filter(([host]) => host !== '127.0.0.1')).toEqual([]);
    requests = 0;
  });
});

test.each([
  ['jwt-form-01 nothing behind the scheme', ['Bearer', 'Bearer ', 'Bearer    ', '']],
  ['another scheme or none', [`Basic ${good()}`, good(), `Bearer${good()}`]],
  ['two tokens', [`Bearer ${good()} x`, `Bearer ${good()}, Bearer ${good()}`, `Bearer ${good()},`]],
])('the header with %s', async (_, headers) => {
  for (const authorization of headers) {
    answers.reads.push(badToken(await place.whoami(authorization)));
  }
});

test('jwt-dup-06 a token in the query, a cookie or the body is ignored', async () => {
  const { send } = place.daemon;
  const token = good();
  const body = JSON.stringify({ access_token: token });
  const form = `access_token=${token}`;
  const found = [
    await send('GET', `/api/v1/auth/me?access_token=${token}`),
    await send('GET', '/api/v1/auth/me', { headers: { cookie: `access_token=${token}; token=${token}` } }),
    await send('POST', '/api/v1/hooks/probe/resume', {
      headers: { 'content-type': 'application/json' },
      body,
    }),
    await send('POST', '/api/v1/hooks/probe/resume', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form,
    }),
  ];
  expect(found.map(({ status, problem }) => [status, problem?.code])).toEqual(
    Array(found.length).fill([401, 'missing_token']),
  );
});

test.each(['reads', 'writes'] as const)(
  'jwt-oracle-02 all %s get one answer, except tokens that have expired',
  (kind) => {
    const seen = answers[kind].map(({ status, headers, text }) => {
      const { date: _, traceparent: __, 'x-request-id': id, ...others } = headers;
      return [status, others, text.replace(String(id), 'ID')];
    });
    const variants = [...new Set(seen.map((answer) => JSON.stringify(answer)))].toSorted();
    expect(variants).toEqual([
      expect.stringContaining('the token has expired'),
      expect.stringContaining('the token is not accepted'),
    ]);
    for (const variant of variants)
      expect(variant).toContain(String.raw`"www-authenticate":"Bearer error=\"invalid_token\""`);
  },
);

test('jwt-oracle-03 nothing of them is in the log, whose lines give a reason out of a few, or in any table', async () => {
  expect(place.presented.length).toBeGreaterThan(500);
  expect(await leaksOf(place)).toEqual([]);
  const refusals = place.daemon.log.flatMap((line) => {
    const { time: _, request_id: __, trace_id: ___, ...facts } = JSON.parse(line);
    return facts.level === 'warn' ? [JSON.stringify(facts)] : [];
  });
  expect(refusals.join()).toContain('its signature does not hold');
  expect(new Set(refusals).size).toBeLessThan(60);
  expect(await stored()).toEqual(untouched);
});

test('a good one is still accepted', async () => {
  expect((await place.whoami(`Bearer ${good()}`)).status).toBe(200);
  expect((await place.write(`Bearer ${good()}`)).status).toBe(200);
  expect(Object.hasOwn(Object.prototype, 'alg')).toBe(false);
});

test('a piece of a token in a table would have been found', async () => {
  const { sql } = place.daemon.database.open(place.daemon.database.ownerUrl, { max: 1 });
  const token = good({ jti: 'leaked' });
  await place.whoami(`Bearer ${token}`);
  const subject = `before ${token.slice(-40)} after`;
  await sql`insert into actors (issuer, subject, uuid) values ('x', ${subject}, gen_random_uuid())`;
  expect(await leaksOf(place)).toContainEqual(expect.stringMatching(/^public\.actors: /));
});
