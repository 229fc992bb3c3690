import { type Route, routes } from '@osa/core/api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deployRequest, everything, rawConnection, type TestDaemon, testDaemon } from './daemon-support.ts';
import { until } from './harness.ts';
import { cuttingProxy } from './postgres-support.ts';

/** HTTP itself, spoken badly or with bad intent. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon({ http: { headersMs: 600 } });
});
afterAll(() => daemon.close());

async function exchange(request: string): Promise<string> {
  const connection = await rawConnection(daemon.port);
  connection.socket.write(request);
  await connection.closed;
  return connection.received();
}

function get(path: string, ...headers: string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', ''].join('\r\n');
}

function statuses(answer: string): number[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

describe('headers', () => {
  test('that trickle are given up, while others are served', async () => {
    const slow = await Promise.all(Array.from({ length: 50 }, () => rawConnection(daemon.port)));
    for (const { socket } of slow) socket.write('GET /health HTTP/1.1\r\nX: ');
    const trickle = setInterval(() => {
      for (const { socket } of slow) if (socket.writable) socket.write('x');
    }, 100);
    expect((await daemon.send('GET', '/health')).status).toBe(200);
    await Promise.all(slow.map(({ closed }) => closed));
    clearInterval(trickle);
    expect(slow.map((connection) => statuses(connection.received()))).toEqual(slow.map(() => [408]));
  });

  test('beyond a hundred are refused', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: 1`);
    expect(statuses(await exchange(get('/health', ...many(98))))).toEqual([200]);
    expect(statuses(await exchange(get('/health', ...many(99))))).toEqual([431]);
    expect(statuses(await exchange(get('/health', ...many(1_500))))).toEqual([431]);
  });

  test('beyond 16 KiB are refused', async () => {
    const answer = await exchange(get('/health', `X: ${'a'.repeat(17 * 1024)}`));
    expect(statuses(answer)).toEqual([431]);
    expect(answer).toContain('application/problem+json');
  });

  test.each([
    ['none', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two', get('/health', 'Host: y'), 400],
    ['two that are the same', get('/health', 'Host: localhost'), 400],
  ])('with the host %s', async (_name, request, expected) => {
    expect(statuses(await exchange(request))).toEqual([expected]);
  });

  test('with two tokens are refused, whichever is good', async () => {
    const own = `Authorization: ${await daemon.bearer([])}`;
    for (const tokens of [
      [own, own],
      [own, 'Authorization: Bearer x'],
      ['Authorization: Bearer x', own],
    ]) {
      const answer = await exchange(get('/api/v1/auth/me', ...tokens));
      expect(statuses(answer)).toEqual([400]);
      expect(answer).toContain('"field":"authorization"');
    }
    expect(statuses(await exchange(get('/api/v1/auth/me', own)))).toEqual([200]);
  });

  test('of another origin get no permission', async () => {
    const answer = await exchange(get('/api/v1/hooks', 'Origin: https://evil.example'));
    expect(answer).not.toMatch(/access-control/i);
  });

  test.each(['X-HTTP-Method-Override: PUT', 'X-Method-Override: POST', 'X-Forwarded-Host: evil.example'])(
    '%s is ignored',
    async (header) => {
      expect(statuses(await exchange(get('/health', header)))).toEqual([200]);
    },
  );
});

test.each([
  ['garbage', 'garbage\r\n\r\n'],
  ['an unknown method', 'FROB /health HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  [
    'two lengths',
    'POST /api/v1/conventions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  ],
  [
    'a length and chunks',
    'POST /api/v1/conventions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  ['a space in a header name', 'GET /health HTTP/1.1\r\nHost : x\r\n\r\n'],
])('%s is refused and the connection closed', async (_name, request) => {
  const answer = await exchange(request);
  expect(statuses(answer)).toEqual([400]);
  expect(answer).toMatch(/connection: close/i);
});

test('requests in a row on one connection are answered in a row', async () => {
  const requests = Array.from({ length: 100 }, () => 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n').join(
    '',
  );
  const answer = await exchange(requests + get('/nothing'));
  expect(statuses(answer)).toEqual([...Array(100).fill(200), 404]);
});

describe('methods', () => {
  const paths = [...new Set(Object.values(routes).map(({ path }) => path))];
  const all: readonly Route[] = Object.values(routes);

  test.each(paths)('%s takes what it declares and says so', async (path) => {
    const target = path.replaceAll(/:\w+/g, 'x1');
    // A path without parameters may also be one of another route's: /conventions/plan is a /conventions/:slug.
    const serves = (route: Route) => new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(target);
    const declared = [...new Set(all.filter(serves).map((route) => route.method))];
    const allowed = declared.includes('GET') ? [...declared, 'HEAD'] : declared;
    const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'].filter(
      (method) => !(allowed as string[]).includes(method),
    );
    for (const method of others) {
      const answer = await exchange(get(target).replace('GET', method));
      expect([method, statuses(answer)]).toEqual([method, [405]]);
      expect(
        answer
          .match(/^allow: (.*)$/im)?.[1]
          ?.split(', ')
          .sort(),
      ).toEqual([...allowed].sort());
    }
  });

  test('HEAD answers as GET, without a body', async () => {
    const answer = await exchange(get('/health').replace('GET', 'HEAD'));
    expect(statuses(answer)).toEqual([200]);
    expect(answer.split('\r\n\r\n')[1]).toBe('');
  });
});

test.each([
  '/api/v1/hooks/',
  '//api/v1/hooks',
  '/api//v1/hooks',
  '/API/v1/hooks',
  '/api/v1/./hooks',
  '/api/v1/x/../hooks',
  '/api/v1/%2e%2e/ingestions',
  '/api/v1/ingestions;x=1',
  '/api/v1/ingestions%2f',
  '/api/v1/ingestions/',
  '/api/v1/ingestions%00',
  '/api/v1/hooks/%ff',
  '/api/v1/hooks/%zz',
  '/api/v1/hooks/a%00b',
  '/api/v1/hooks/%ed%a0%80',
  `/api/v1/hooks/${'a'.repeat(5_000)}`,
  '/api/v1/hooks/a%2fb',
  '/.env',
  '/__proto__',
  '/constructor',
])('the path %s leads nowhere', async (path) => {
  const [status] = statuses(await exchange(get(path)));
  expect([400, 401, 404]).toContain(status);
});

test('an escaped path has the gate of what it names', async () => {
  expect(statuses(await exchange(get('/api/v1/%69ngestions')))).toEqual([401]);
});

test.each([
  'limit=0',
  'limit=-1',
  'limit=1000000000',
  'limit=NaN',
  'limit=',
  'limit=1&limit=2',
  'limit[]=1',
  'cursor=garbage',
  'cursor=eyJzIjpudWxsLCJpZCI6InggIn0',
  'cursor=eyJzIjpudWxsLCJpZCI6OTAwNzE5OTI1NDc0MDk5MX0',
  'lmit=1',
  '__proto__=1',
  `cursor=${'a'.repeat(2_000)}`,
])('a page of %s is refused or empty', async (query) => {
  const lists = ['/api/v1/hooks/x/history', '/api/v1/hooks/x/releases', '/api/v1/ingestions'];
  const authorization = await daemon.bearer(everything);
  for (const path of lists) {
    const { status } = await daemon.send('GET', `${path}?${query}`, { headers: { authorization } });
    expect([path, status < 500]).toEqual([path, true]);
  }
});

test('a page of published rows answers a forged cursor', async () => {
  await daemon.call('deploy', { json: deployRequest() });
  const places = [
    { s: 'x', id: 'y' },
    { s: 1, id: 2 },
    { s: null, id: 'x' },
    { s: '2020-01-01', id: 9007199254740991 },
    { s: null, id: 2 ** 40 },
  ];
  for (const place of places) {
    const cursor = Buffer.from(JSON.stringify({ list: 'readRecords', ...place })).toString('base64url');
    const { status, text } = await daemon.send('GET', `/api/v1/data/test-record/records?cursor=${cursor}`);
    expect([JSON.stringify(place), status < 500, text]).toEqual([JSON.stringify(place), true, text]);
  }
});

describe('a rollback', () => {
  const rollback = async (headers: Record<string, string>, body = '{}') => {
    const authorization = await daemon.bearer(everything);
    return daemon.send('POST', '/api/v1/hooks/nothing/rollback', {
      headers: { authorization, 'content-type': 'application/json', ...headers },
      body,
    });
  };

  test.each(['1', '*', 'W/"1"', '"0"', '"-1"', '"1.5"', '"x"', '"1", "2"', '""', `"${'9'.repeat(30)}"`])(
    'with If-Match %s is refused',
    async (match) => {
      const { status, problem } = await rollback({ 'if-match': match });
      expect([status, problem?.field]).toEqual([422, 'If-Match']);
    },
  );

  test('that expects two different changes is refused', async () => {
    expect((await rollback({ 'if-match': '"1"' }, '{"expected_live_seq": 2}')).status).toBe(422);
    expect((await rollback({ 'if-match': '"1"' }, '{"expected_live_seq": 1}')).status).toBe(404);
  });

  test.each(['', 'a b', 'ü', 'a'.repeat(201)])('with the Idempotency-Key %j is refused', async (key) => {
    const { status, problem } = await rollback({ 'idempotency-key': Buffer.from(key).toString('latin1') });
    expect([status, problem?.field]).toEqual([422, 'Idempotency-Key']);
  });
});

describe('an Idempotency-Key', () => {
  const deploy = async (key: string, changes: object = {}) => {
    const authorization = await daemon.bearer(everything);
    return daemon.send('POST', '/api/v1/conventions', {
      headers: { authorization, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ ...deployRequest(), slug: 'keyed', ...changes }),
    });
  };

  test('gives the same request the same answer, and refuses another', async () => {
    const first = await deploy('k1');
    const second = await deploy('k1');
    expect(first.status).toBe(201);
    expect(JSON.parse(second.text)).toEqual(JSON.parse(first.text));
    expect((await deploy('k1', { title: 'Other' })).problem?.code).toBe('idempotency_mismatch');
    expect(JSON.parse((await deploy('k2')).text).deploy_id).not.toBe(JSON.parse(first.text).deploy_id);
  });
});

describe('what an answer says of us', () => {
  test('is nothing, where the fault is ours', async () => {
    const broken = await testDaemon({
      worker: { name: 'none', isInherited: false, concurrency: 0, perHook: 1, leaseSeconds: 30 },
    });
    try {
      const owner = broken.database.open(broken.database.ownerUrl);
      await owner.sql.unsafe('alter table hooks rename column owner to owner2');
      const { status, problem, text } = await broken.send('GET', '/api/v1/hooks');
      expect([status, problem?.code]).toEqual([500, 'internal']);
      expect(text).not.toMatch(/select|owner|column|\/work|\.ts|at /);
      expect(broken.log.join('')).toContain('owner');
      await owner.sql.unsafe('alter table hooks rename column owner2 to owner');
    } finally {
      await broken.close();
    }
  });

  test('is that we cannot answer at the moment, where the database is gone', async () => {
    const proxy = await cuttingProxy(daemon.database.appUrl);
    const alone = await testDaemon({ database: { url: proxy.endpoint, connections: 2 } });
    try {
      await proxy.close();
      const { status, problem, headers, text } = await alone.send('GET', '/api/v1/hooks');
      expect([status, problem?.code, headers['retry-after']]).toEqual([503, 'unavailable', '1']);
      expect(text).not.toMatch(/PGSQL|E[A-Z]{4}|osa_test|\/tmp/);
      expect((await alone.send('GET', '/health')).status).toBe(200);
      const ready = await alone.send('GET', '/ready');
      expect(ready.status).toBe(503);
      expect(JSON.parse(ready.text)).toMatchObject({
        status: 'degraded',
        components: { db: { status: 'error' } },
      });
      await until(
        'the worker to notice',
        async () =>
          JSON.parse((await alone.send('GET', '/ready')).text).components.workers.status === 'error',
      );
      const told = () => alone.log.filter((line) => line.includes('cannot claim')).length;
      expect(told()).toBe(1);
    } finally {
      await alone.close();
    }
  });
});
