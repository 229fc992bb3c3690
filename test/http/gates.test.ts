import { createHash } from 'node:crypto';
import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, signingKey, type TestDaemon, testDaemon } from '../support/daemon-support.ts';

/** Each route's gate, as the wire contract declares it. */

const all = Object.entries(routes) as [RouteName, Route][];
const gated = all.filter(([, { gate }]) => gate.kind === 'scope');
const readable = all.filter(([, { gate }]) => gate.kind === 'read');
const open = all.filter(([, { gate, method }]) => gate.kind === 'public' && method === 'GET');

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon({ http: { failedAuthentications: 10_000 } });
});
afterAll(() => daemon.close());

/** Pages of a login that nobody has begun, where nobody can log in. */
const pages = { loginAnswer: 404, allowPage: 401 };

function exampleOf({ path }: Route): string {
  return path.replaceAll(/:\w+/g, 'x1');
}

describe.each(gated)('%s', (_name, route) => {
  const { method } = route;
  const path = exampleOf(route);

  test('needs a token', async () => {
    const { status, headers, problem } = await daemon.send(method, path);
    expect(status).toBe(401);
    expect(problem?.code).toBe('missing_token');
    expect(headers['www-authenticate']).toBe('Bearer');
  });

  test('refuses a token that is not accepted', async () => {
    const { status, headers, problem } = await daemon.send(method, path, {
      headers: { authorization: 'Bearer abc.def.ghi' },
    });
    expect(status).toBe(401);
    expect(problem?.code).toBe('invalid_token');
    expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  test('refuses a token without its scope', async () => {
    if (route.gate.kind !== 'scope') throw new Error('this route needs no scope');
    const { verb, orVerb, resourceParam } = route.gate;
    // A gate that cannot know the hook takes the scope for any; the use case asks again.
    const takesAnyHook = resourceParam === undefined && [verb, orVerb].includes('hooks:write');
    const others = ['conventions:writer', takesAnyHook ? 'hooks:writer' : 'hooks:write:other', 'runs:reader'];
    const authorization = await daemon.bearer(others);
    const { status, headers, problem } = await daemon.send(method, path, { headers: { authorization } });
    const resource = resourceParam === undefined ? '' : ':x1';
    expect(status).toBe(403);
    expect(problem?.code).toBe('access_denied');
    expect(headers['www-authenticate']).toBe(`Bearer error="insufficient_scope", scope="${verb}${resource}"`);
  });

  test('lets its scope through', async () => {
    const verb = route.gate.kind === 'scope' ? route.gate.verb : '';
    const authorization = await daemon.bearer([verb]);
    const { status } = await daemon.send(method, path, { headers: { authorization } });
    expect([200, 404, 415, 422]).toContain(status);
  });
});

test.each(readable)('%s is open, but not to a token that is not accepted', async (_name, route) => {
  const path = exampleOf(route);
  expect([200, 404, 422]).toContain((await daemon.send('GET', path)).status);
  const authorization = 'Bearer abc';
  expect((await daemon.send('GET', path, { headers: { authorization } })).status).toBe(401);
});

test.each(open)('%s looks at no token', async (name, route) => {
  const { status } = await daemon.send('GET', exampleOf(route), { headers: { authorization: 'Bearer abc' } });
  expect(status).toBe(pages[name as keyof typeof pages] ?? 200);
});

test.each(['evil.example', 'evil.example:4070', 'localhost.evil.example', '127.0.0.1.evil.example'])(
  'http-17: a daemon for development does not answer to the name %s',
  async (host) => {
    const { status, problem } = await daemon.send('GET', '/api/v1/hooks', { headers: { host } });
    expect([status, problem?.code, problem?.field]).toEqual([400, 'malformed', 'host']);
  },
);

test.each(['localhost', 'localhost:4070', '127.0.0.1:1', '[::1]:4070'])(
  'a daemon for development answers to %s',
  async (host) => {
    expect((await daemon.send('GET', '/api/v1/hooks', { headers: { host } })).status).toBe(200);
  },
);

test.each([...open, ...readable])(
  'http-17: %s builds no URL from the name that it was asked by',
  async (_name, route) => {
    // Only a daemon for development looks at the name; none may repeat it.
    const headers = {
      host: 'localhost:4070',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
    };
    const { text, headers: answered } = await daemon.send('GET', exampleOf(route), { headers });
    expect(text + JSON.stringify(answered)).not.toMatch(/evil\.example|localhost:4070/);
  },
);

test.each([
  ['another issuer', { issuer: 'elsewhere' }],
  ['another audience', { audience: 'elsewhere' }],
  ['no subject', { subject: '' }],
  ['an end in the past', { lifetimeSeconds: -120 }],
  ['a life of a day', { lifetimeSeconds: 86_400 }],
])('a token with %s is refused', async (_name, claims) => {
  const authorization = await daemon.bearer(['ingestions:read'], claims);
  const { status, problem } = await daemon.send('GET', '/api/v1/ingestions', { headers: { authorization } });
  expect([status, problem?.code]).toEqual([401, 'invalid_token']);
});

test('a token of another key is refused', async () => {
  const stranger = await testDaemonKeyless();
  const { status } = await daemon.send('GET', '/api/v1/hooks', { headers: { authorization: stranger } });
  expect(status).toBe(401);
});

async function testDaemonKeyless(): Promise<string> {
  const { signToken } = await import('@osa/core/auth/sign-token');
  const claims = { issuer: 'test', audience: 'osa', subject: 'x', scopes: [], lifetimeSeconds: 60 };
  return `Bearer ${await signToken(await signingKey(), claims)}`;
}

test.each(['Basic dXNlcjpwYXNz', 'Bearer', 'Bearer a b', 'Bearer ä', 'abc'])(
  'the header %j is no token',
  async (authorization) => {
    const { status, problem } = await daemon.send('GET', '/api/v1/ingestions', {
      headers: { authorization: Buffer.from(authorization).toString('latin1') },
    });
    expect([status, problem?.code]).toEqual([401, 'invalid_token']);
  },
);

test('a scope for a hook opens that hook and those of its prefix only', async () => {
  const rollback = async (scope: string, hook: string) => {
    const authorization = await daemon.bearer([scope]);
    const headers = { authorization, 'content-type': 'application/json' };
    return (await daemon.send('POST', `/api/v1/hooks/${hook}/rollback`, { headers, body: '{}' })).status;
  };
  expect(await rollback('hooks:write:abc', 'abc')).toBe(404);
  expect(await rollback('hooks:write:ab*', 'abc')).toBe(404);
  expect(await rollback('hooks:write:abc', 'abcd')).toBe(403);
  expect(await rollback('hooks:write:ab', 'abc')).toBe(403);
  expect(await rollback('hooks:write:*', 'abc%22%0d%0aX-Evil:1')).not.toBe(403);
});

test('a scope for the ingestions of one convention shows those, not the list of all', async () => {
  await deployHook(daemon, hookCode('return { features: [] }'));
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(1) });
  const statusOf = async (scope: string, path: string) => {
    const headers = { authorization: await daemon.bearer([scope]) };
    return (await daemon.send('GET', `/api/v1/ingestions${path}`, { headers })).status;
  };
  for (const own of ['ingestions:read:tests', 'ingestions:read:te*']) {
    expect([own, await statusOf(own, `/${id}`), await statusOf(own, `/${id}/records`)]).toEqual([
      own,
      200,
      200,
    ]);
    expect(await statusOf(own, '')).toBe(403);
  }
  for (const path of ['', `/${id}`, `/${id}/records`]) {
    expect(await statusOf('ingestions:read:other', path)).toBe(403);
    expect(await statusOf('ingestions:read', path)).toBe(200);
    expect(await statusOf('ingestions:read:*', path)).toBe(200);
  }
});

test.each(['conventions:write:tests', 'hooks:write:probe'])(
  'who may %s may store the code of hooks',
  async (scope) => {
    const body = Buffer.alloc(1024);
    const path = `/api/v1/blobs/${createHash('sha256').update(body).digest('hex')}`;
    const authorization = await daemon.bearer([scope]);
    const headers = { authorization, 'content-type': 'application/octet-stream' };
    expect((await daemon.send('PUT', path, { headers, body })).status).toBe(200);
    expect((await daemon.send('GET', path, { headers: { authorization } })).status).toBe(200);
  },
);

test.each([
  ['/api/v1/hooks/probe/releases/abc', 'version: "abc": must be a whole number from 1 to 2147483647'],
  ['/api/v1/deploys/abc', 'id: "abc": must be a UUID'],
  ['/api/v1/deploys?limit=1.5', 'limit: "1.5": must be a whole number from 1 to 1000'],
])('%s is refused by its rule', async (path, rule) => {
  const { status, problem } = await daemon.send('GET', path);
  expect([status, problem?.message]).toEqual([422, expect.stringContaining(rule)]);
});

test('a scope is named in the challenge only where it cannot break out of the header', async () => {
  const authorization = await daemon.bearer([]);
  const { status, headers } = await daemon.send('POST', '/api/v1/hooks/a%22,b%0d%0aset-cookie:x/rollback', {
    headers: { authorization },
  });
  expect(status).toBe(403);
  expect(headers['www-authenticate']).toBe('Bearer error="insufficient_scope"');
  expect(headers['set-cookie']).toBeUndefined();
});

test('each 403 is an event, and a name that cannot be one is refused before', async () => {
  const authorization = await daemon.bearer([], { subject: 'refused' });
  const before = daemon.log.length;
  const statusOf = async (name: string) =>
    (await daemon.send('POST', `/api/v1/hooks/${name}/rollback`, { headers: { authorization } })).status;
  const names = ['a%00b', '%00', 'a%22b', '%F0%9F%A6%80', 'a%0a%1b%5b31m'];
  const statuses = await Promise.all(names.map(statusOf));
  expect(statuses).toEqual([400, 400, 403, 403, 403]);
  expect((await daemon.send('POST', '/api/v1/hooks/%00/rollback')).status).toBe(401);
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const events = await sql`
    select e.id from events e join actors a on a.id = (e.payload ->> 'actor')::bigint
    where e.type = 'request.denied' and a.subject = 'refused'`;
  expect(events).toHaveLength(3);
  expect(daemon.log.slice(before).filter((line) => line.includes('"level":"error"'))).toEqual([]);
});

test('http-18: the gate comes before the body, of any type that a page may send', async () => {
  for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded']) {
    const headers = { 'content-type': type, origin: 'https://evil.example', cookie: 'token=x' };
    const { status, problem } = await daemon.send('POST', '/api/v1/conventions', {
      body: 'not json',
      headers,
    });
    expect([status, problem?.code]).toEqual([401, 'missing_token']);
  }
});

test('answers to somebody are not stored by caches, and no token is logged', async () => {
  const authorization = await daemon.bearer(['ingestions:read']);
  const { headers } = await daemon.send('GET', '/api/v1/ingestions', { headers: { authorization } });
  expect(headers['cache-control']).toBe('no-store');
  expect(headers['x-content-type-options']).toBe('nosniff');
  const token = authorization.replace('Bearer ', '');
  expect(daemon.log.join('')).not.toContain(token.slice(-20));
});

describe('with reads: authenticated', () => {
  let closed: TestDaemon;
  beforeAll(async () => {
    closed = await testDaemon({ reads: 'authenticated' });
  });
  afterAll(() => closed.close());

  test.each(readable)('%s needs a token, of any scope', async (_name, route) => {
    const path = exampleOf(route);
    expect((await closed.send('GET', path)).problem?.code).toBe('missing_token');
    const authorization = await closed.bearer([]);
    expect([200, 404, 422]).toContain(
      (await closed.send('GET', path, { headers: { authorization } })).status,
    );
  });

  test.each(open)('%s stays open', async (name, route) => {
    expect((await closed.send('GET', exampleOf(route))).status).toBe(
      pages[name as keyof typeof pages] ?? 200,
    );
  });
});
