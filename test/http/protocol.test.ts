import { routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { httpLimits } from '@osa/daemon/http/limits';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  deployRequest,
  everything,
  rawConnection,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';

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
  test('http-01: that trickle on 500 connections are given up, while others are served', async () => {
    // The limit of this daemon and the pace of its clients are a sixteenth and a fiftieth of what a daemon's are.
    expect(httpLimits.headersMs + 1_000).toBeLessThanOrEqual(15_000);
    const served: number[] = [];
    // Both ends share one thread; a busy machine can spoil one round and does not spoil them all.
    for (let round = 0; round < 4 && !served.some((slowest) => slowest < 100); round += 1) {
      const slow = await Promise.all(Array.from({ length: 500 }, () => rawConnection(daemon.port)));
      for (const { socket } of slow) socket.write('GET /health HTTP/1.1\r\nX: ');
      const trickle = setInterval(() => {
        for (const { socket } of slow) if (socket.writable) socket.write('x');
      }, 100);
      const given = Promise.all(slow.map(({ closed }) => closed)).then(() => clearInterval(trickle));
      served.push(await slowestOf(given));
      const answers = slow.map((connection) => statuses(connection.received()));
      expect(answers).toEqual(slow.map(() => [408]));
    }
    expect(Math.min(...served)).toBeLessThan(100);
  });

  /** The milliseconds within which 99 of 100 requests are answered, one after another, until `end`. */
  async function slowestOf(end: Promise<void>): Promise<number> {
    let ended = false;
    const ending = end.then(() => {
      ended = true;
    });
    const took: number[] = [];
    while (!ended) {
      const start = performance.now();
      expect((await daemon.send('GET', '/health')).status).toBe(200);
      took.push(performance.now() - start);
    }
    await ending;
    return took.toSorted((x, y) => x - y)[Math.ceil(took.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY;
  }

  test('http-07: beyond a hundred are refused', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: 1`);
    expect(statuses(await exchange(get('/health', ...many(98))))).toEqual([200]);
    expect(statuses(await exchange(get('/health', ...many(99))))).toEqual([431]);
    expect(statuses(await exchange(get('/health', ...many(1_500))))).toEqual([431]);
  });

  test('http-07: beyond 16 KiB are refused', async () => {
    const answer = await exchange(get('/health', `X: ${'a'.repeat(17 * 1024)}`));
    expect(statuses(answer)).toEqual([431]);
    expect(answer).toContain('application/problem+json');
  });

  test.each([
    ['none', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two', get('/health', 'Host: y'), 400],
    ['two that are the same', get('/health', 'Host: localhost'), 400],
  ])('http-17: with the host %s', async (_name, request, expected) => {
    expect(statuses(await exchange(request))).toEqual([expected]);
  });

  test.each(['gzip', 'gzip, chunked', 'identity', 'chunked, chunked', 'chunked;q=1', '"chunked"'])(
    'with the Transfer-Encoding %s are refused, and the connection closed',
    async (coding) => {
      const lines = ['POST /health HTTP/1.1', 'Host: localhost', `Transfer-Encoding: ${coding}`, '', ''];
      const answer = await exchange(`${lines.join('\r\n')}0\r\n\r\n${get('/health')}`);
      expect(statuses(answer)).toEqual([400]);
      expect(answer).toMatch(/connection: close/i);
    },
  );

  test('with two hosts close the connection, so that nothing behind them is answered', async () => {
    const answer = await exchange(`GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n${get('/health')}`);
    expect(statuses(answer)).toEqual([400]);
    expect(answer).toMatch(/connection: close/i);
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

  test.each(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])(
    'http-18: of another origin get no permission to %s',
    async (method) => {
      for (const origin of ['https://evil.example', 'null', 'http://localhost']) {
        const asked = [`Origin: ${origin}`, 'Access-Control-Request-Method: POST', 'Cookie: token=x'];
        for (const path of ['/api/v1/hooks', '/api/v1/conventions', '/health', '/nothing']) {
          const answer = await exchange(get(path, ...asked).replace('GET', method));
          expect(answer).not.toMatch(/access-control/i);
          // A page can send this without asking, so it writes nothing.
          const isRead = method === 'GET' || method === 'HEAD';
          if (!isRead) expect([401, 404, 405]).toContain(statuses(answer)[0]);
        }
      }
    },
  );

  test.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])(
    'http-16: %s is ignored',
    async (header) => {
      for (const method of ['PUT', 'POST', 'DELETE', 'TRACE']) {
        expect(statuses(await exchange(get('/health', `${header}: ${method}`)))).toEqual([200]);
        // A GET of a path that only takes POST stays one.
        const path = '/api/v1/conventions/plan';
        expect(statuses(await exchange(get(path, `${header}: ${method}`)))).toEqual(
          statuses(await exchange(get(path))),
        );
      }
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

describe('http-16: methods', () => {
  const patternOf = ({ path }: Route) => {
    const literal = path.split(/:\w+/).map((text) => RegExp.escape(text));
    return new RegExp(`^${literal.join('[^/]+')}$`);
  };
  const paths = [...new Set(Object.values(routes).map(({ path }) => path))];
  const all: readonly Route[] = Object.values(routes);

  test.each(paths)('%s takes what it declares and says so', async (path) => {
    const target = path.replaceAll(/:\w+/g, 'x1');
    // A path without parameters may also be one of another route's: /conventions/plan is a /conventions/:slug.
    const serves = (route: Route) => patternOf(route).test(target);
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
])('http-15: the path %s leads nowhere', async (path) => {
  const [status] = statuses(await exchange(get(path)));
  expect([400, 401, 404]).toContain(status);
});

test('http-15: an escaped path has the gate of what it names', async () => {
  expect(statuses(await exchange(get('/api/v1/%69ngestions')))).toEqual([401]);
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

describe('the history of a hook', () => {
  const at = async (text: string) => {
    const { status, problem } = await daemon.send(
      'GET',
      `/api/v1/hooks/nothing/history?at=${encodeURIComponent(text)}`,
    );
    return problem?.code === 'invalid' ? [status, problem.field] : status;
  };

  test.each([
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+14:00',
    '9999-12-31T23:59:59.999999-14:00',
    '2026-01-31T12:00:00+14:01',
    '2026-01-31T12:00:00-15:00',
    '2026-01-31T12:00:00+24:00',
    '2026-02-30T12:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T23:59:60Z',
    '2026-01-31T12:00:00',
    '2026-01-31',
    '20260131T120000Z',
    'now',
    'infinity',
    '',
  ])('at %j is refused', async (text) => {
    expect(await at(text)).toEqual([422, 'at']);
  });

  test.each([
    '0001-01-02T14:00:00+14:00',
    '9999-12-30T09:59:59.999999-14:00',
    '2024-02-29t12:00:00z',
    '2026-01-31T12:00:00.123456789+05:30',
  ])('at %j is looked up', async (text) => {
    expect(await at(text)).toBe(404);
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
