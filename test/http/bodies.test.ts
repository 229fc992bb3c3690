import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { sha256 } from '@osa/core/hook/release';
import { semaphore } from '@osa/daemon/http/semaphore';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  deployRequest,
  everything,
  ndjson,
  type RawConnection,
  rawConnection,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/**
 * Bodies that break a rule: too large, too slow, cut off, no archive, no records. The forms of JSON are in http-
 * json.test.ts.
 */

const requestBytes = 64 * 1024;
const uploadBytes = 256 * 1024;
const megabyte = Buffer.alloc(1024 * 1024, 0x20);

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon({
    http: { requestBytes, uploadBytes, blobBytes: uploadBytes, requestMs: 400, uploadIdleMs: 400 },
  });
  authorization = await daemon.bearer(everything, { lifetimeSeconds: 600 });
  await daemon.call('deploy', { json: deployRequest() });
});
afterAll(() => daemon.close());

const deployPath = '/api/v1/conventions';
const ingestPath = '/api/v1/conventions/tests/ingestions';
const blobPath = (digest: string) => `/api/v1/blobs/${digest}`;

function post(
  path: string,
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
  headers: Record<string, string> = {},
) {
  return daemon.send('POST', path, {
    body,
    headers: {
      authorization,
      'content-type': path === ingestPath ? 'application/x-ndjson' : 'application/json',
      ...headers,
    },
  });
}

/** A request whose body is written by hand. */
async function open(path: string, headers: readonly string[], method = 'POST'): Promise<RawConnection> {
  const connection = await rawConnection(daemon.port);
  const type =
    path === deployPath
      ? 'application/json'
      : path === ingestPath
        ? 'application/x-ndjson'
        : 'application/octet-stream';
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    `Authorization: ${authorization}`,
    `Content-Type: ${type}`,
    ...headers,
  ];
  connection.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return connection;
}

async function spooled(): Promise<string[]> {
  return readdir(join(daemon.directory, 'data', 'spool'));
}

describe('http-04: too large', () => {
  test.each([
    ['JSON', deployPath, 'POST'],
    ['records', ingestPath, 'POST'],
    ['a blob', blobPath('0'.repeat(64)), 'PUT'],
  ])('%s that announces it is refused before it is sent', async (_name, path, method) => {
    const connection = await open(path, [`Content-Length: ${2 ** 30}`], method);
    await until('the answer', async () => connection.received().includes('too_large'));
    expect(connection.received()).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close/i);
    await connection.closed;
    expect(await spooled()).toEqual([]);
  });

  test.each([
    ['JSON', deployPath, 'POST'],
    ['records', ingestPath, 'POST'],
    ['a blob', blobPath('0'.repeat(64)), 'PUT'],
  ])('%s without a length is refused where the limit is', async (_name, path, method) => {
    const connection = await open(path, ['Transfer-Encoding: chunked'], method);
    const writing = setInterval(() => {
      connection.socket.write(`${megabyte.length.toString(16)}\r\n`);
      connection.socket.write(megabyte);
      connection.socket.write('\r\n');
    }, 5);
    await until('the answer', async () => connection.received().includes('too_large'));
    // Only the part of the client's gibibyte that was on its way when the limit was met.
    expect(connection.socket.bytesWritten).toBeLessThan(2 ** 26);
    await connection.closed;
    clearInterval(writing);
    expect(connection.received()).toMatch(/^HTTP\/1\.1 413 /);
    expect(await spooled()).toEqual([]);
  });
});

describe('too slow', () => {
  test('http-02: a JSON body that trickles is refused in time', async () => {
    const connection = await open(deployPath, ['Content-Length: 1000']);
    const writing = setInterval(() => connection.socket.write(' '), 50);
    await until('the answer', async () => connection.received().includes('\r\n\r\n{'));
    clearInterval(writing);
    expect(connection.received()).toMatch(/^HTTP\/1\.1 408 /);
    await connection.closed;
  });

  test('an upload may trickle, but not stop', async () => {
    const lines = ndjson(30);
    const connection = await open(ingestPath, [`Content-Length: ${lines.length + 10}`]);
    const pieces = lines.match(/[\s\S]{1,80}/g) ?? [];
    // Longer than the pause that is allowed, altogether.
    for (const piece of pieces) {
      connection.socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(connection.received()).toBe('');
    await until('the answer', async () => connection.received().includes('\r\n\r\n{'));
    expect(connection.received()).toMatch(/^HTTP\/1\.1 408 /);
    await connection.closed;
    expect(await spooled()).toEqual([]);
  });
});

// An upload that is cut off is tried on a daemon of its own, whose open files can be counted: bad-client.e2e.test.ts.
describe('cut off', () => {
  test('more than was announced is no part of the body', async () => {
    const connection = await open(deployPath, ['Content-Length: 2']);
    connection.socket.write('{}{"title": "smuggled"}');
    await connection.closed;
    expect(connection.received()).toMatch(/HTTP\/1\.1 400 /);
    expect(connection.received()).not.toContain('smuggled');
  });
});

describe('a blob', () => {
  const put = (digest: string, body: Uint8Array) =>
    daemon.send('PUT', blobPath(digest), {
      body,
      headers: { authorization, 'content-type': 'application/octet-stream' },
    });

  test('whose bytes hash to something else is refused', async () => {
    const { status, problem } = await put('0'.repeat(64), Buffer.from('x'));
    expect([status, problem?.field]).toEqual([422, 'sha256']);
  });

  test('that is no archive is refused, and not there afterwards', async () => {
    const body = Buffer.from('no tar');
    const { status, problem } = await put(sha256(body), body);
    expect([status, problem?.code]).toEqual([422, 'invalid']);
    const found = await daemon.send('GET', blobPath(sha256(body)), { headers: { authorization } });
    expect(found.status).toBe(404);
  });

  test('that is an empty archive is stored, as often as it is sent', async () => {
    const body = Buffer.alloc(1024);
    const params = { sha256: sha256(body) };
    expect(await daemon.call('putBlob', { params, body })).toEqual({ ...params, size: 1024 });
    expect(await daemon.call('putBlob', { params, body })).toEqual({ ...params, size: 1024 });
    expect(await daemon.call('findBlob', { params })).toEqual({ ...params, size: 1024 });
    expect(await spooled()).toEqual([]);
  });
});

describe('works that wait their turn', () => {
  test('run as many at a time as may, in order, whatever becomes of them', async () => {
    const inTurn = semaphore(2);
    const running = new Map<number, (failure?: Error) => void>();
    const most: number[] = [];
    const works = [0, 1, 2, 3, 4].map((n) =>
      inTurn(async () => {
        const { promise, resolve, reject } = Promise.withResolvers<number>();
        running.set(n, (failure) => (failure ? reject(failure) : resolve(n)));
        most.push(running.size);
        return await promise.finally(() => running.delete(n));
      }),
    );
    const settled = Promise.allSettled(works);
    for (const [n, failure] of [[1, new Error('broken')], [0], [3], [2], [4]] as const) {
      (await until(`work ${n}`, async () => running.get(n)))(failure);
    }
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      ...Array(3).fill('fulfilled'),
    ]);
    expect(Math.max(...most)).toBe(2);
    expect(await inTurn(async () => 'one more')).toBe('one more');
  });
});

test('many blobs at once take no more memory than a few', { timeout: 60_000 }, async () => {
  const size = 40 * 1024 * 1024;
  // Not in the heap; what the daemon and this client hold of it is in buffers.
  const body = Buffer.alloc(size, 'no tar');
  const path = blobPath(sha256(body));
  const other = await testDaemon();
  const bearer = await other.bearer(everything);
  const headers = { authorization: bearer, 'content-type': 'application/octet-stream' };
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers);
  }, 2);
  const before = process.memoryUsage().arrayBuffers;
  const answers = await Promise.all(
    Array.from({ length: 14 }, () => other.send('PUT', path, { headers, body })),
  );
  clearInterval(watch);
  await other.close();
  expect(new Set(answers.map(({ problem }) => problem?.code))).toEqual(new Set(['invalid']));
  expect(peak - before).toBeLessThan(10 * size);
});

describe('records', () => {
  test.each([
    ['a line that is not JSON', '{"source_id": "a", "metadata": {"value": 1}}\n{"source_id":', 400, 2],
    ['a line that is no object', '"a"\n', 422, 1],
    ['a JSON array', '[]\n', 400, 1],
    ['no source', '{"metadata": {}}\n', 422, 1],
    ['a source twice', '{"source_id": "a", "metadata": {}}\n{"source_id": "a", "metadata": {}}\n', 422, 2],
  ])('with %s are refused whole, naming the line', async (_name, body, expected, line) => {
    const { status, problem } = await post(ingestPath, body);
    expect([status, problem?.details?.line]).toEqual([expected, line]);
    expect(await spooled()).toEqual([]);
  });

  test('that are none are refused', async () => {
    expect((await post(ingestPath, '\n\n')).status).toBe(422);
  });

  test('for a convention that is not there are refused before they are read', async () => {
    const connection = await open(
      '/api/v1/conventions/nothing/ingestions',
      ['Content-Length: 100000'],
      'POST',
    );
    connection.socket.write(ndjson(1));
    await until('the answer', async () => connection.received().includes('\r\n\r\n{'));
    // Its media type is that of a blob, which is looked at first.
    expect(connection.received()).toMatch(/^HTTP\/1\.1 415 /);
    const known = await post('/api/v1/conventions/nothing/ingestions', ndjson(1), {
      'content-type': 'application/x-ndjson',
    });
    expect(known.problem?.code).toBe('not_found');
  });

  test.each(['0', '-1', '10001', '1.5', 'NaN', '', '1&batch_size=2', '1&x=1'])(
    'a batch size of %j is refused',
    async (size) => {
      const { status, problem } = await post(`${ingestPath}?batch_size=${size}`, ndjson(1));
      expect([status, problem?.code]).toEqual([422, 'invalid']);
    },
  );
});

const reasons = (Object.entries(routes) as [RouteName, Route][]).flatMap(([name, { body }]) => {
  const reason = body instanceof z.ZodObject ? (body.shape as z.core.$ZodShape).reason : undefined;
  return reason instanceof z.ZodType ? [[name, reason] as const] : [];
});

test('there are reasons to try', () => expect(reasons.length).toBeGreaterThan(10));

test.each(reasons)('%s refuses a reason of blanks', (_name, reason) => {
  expect(reason.safeParse(' \t\n').error?.issues[0]?.message).toBe('must not be blank');
  expect(reason.safeParse('').success).toBe(false);
  expect(reason.safeParse(' disk full').success).toBe(true);
});
