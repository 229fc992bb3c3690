import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { httpLimits } from '@osa/daemon/http/limits';
import { createListener } from '@osa/daemon/http/listener/listener';
import { pipelining } from '@osa/daemon/http/pipelining';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rawConnection, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Requests that are sent before the ones before them are answered. */

let daemon: TestDaemon;
/** The daemon's side of the connections that are open. */
const open = new Set<Socket>();
const accept = (message: unknown) => {
  const { socket } = message as { readonly socket: Socket };
  open.add(socket);
  socket.once('close', () => open.delete(socket));
};
beforeAll(async () => {
  daemon = await testDaemon();
  channel('net.server.socket').subscribe(accept);
});
afterAll(async () => {
  channel('net.server.socket').unsubscribe(accept);
  await daemon.close();
});

const request = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
const hundred = request('/health').repeat(100);
const last = request('/nothing', 'Connection: close');
const statuses = (answer: string) =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

test('are answered in a row', async () => {
  const { socket, closed, received } = await rawConnection(daemon.port);
  socket.write(hundred + last);
  await closed;
  expect(statuses(received())).toEqual([...Array(100).fill(200), 404]);
});

test('are answered in the order in which they came, the slow before the quick', async () => {
  const { socket, closed, received } = await rawConnection(daemon.port);
  socket.write(request('/ready') + request('/api/v1/hooks/nothing') + request('/health') + last);
  await closed;
  expect(statuses(received())).toEqual([200, 404, 200, 404]);
  expect(received().split('HTTP/1.1 ')[3]).toContain('0.0.0-test');
});

describe('a client that sends more than waits for an answer', () => {
  const flood = request('/health').repeat(2_000);

  /** The parsed part of requests that are never answered. */
  async function parsedOf(requests: string): Promise<number> {
    let parsed = 0;
    const count = () => {
      parsed += 1;
    };
    channel('http.server.request.start').subscribe(count);
    const listener = createListener(() => undefined, { limits: httpLimits, trustedProxies: [] });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { socket, closed } = await rawConnection((listener.address() as AddressInfo).port);
    const accepted = await until('the connection', async () =>
      [...open].find((one) => one.remotePort === socket.localPort),
    );
    socket.write(requests);
    await until('the daemon to stop reading', async () => accepted.isPaused());
    socket.destroy();
    accepted.destroy();
    await closed;
    await new Promise((resolve) => listener.close(resolve));
    channel('http.server.request.start').unsubscribe(count);
    return parsed;
  }

  test.each([
    ['of the usual form', flood],
    ['as short as can be', 'GET / HTTP/1.1\r\n\r\n'.repeat(10_000)],
    ['that expect what is not offered', request('/', 'Expect: wonders').repeat(4_000)],
    ['with bodies', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\r\n\r\n'.repeat(4_000)],
  ])('has a few dozen requests parsed: %s', async (_name, requests) => {
    const parsed = await parsedOf(requests);
    expect(parsed).toBeGreaterThanOrEqual(httpLimits.pipelinedRequests);
    expect(parsed).toBeLessThan(httpLimits.pipelinedRequests + 8);
  });

  test('gets all of its answers once it reads them', async () => {
    const { socket, closed, received } = await rawConnection(daemon.port);
    socket.write(flood.repeat(3) + last);
    await closed;
    expect(statuses(received())).toEqual([...Array(6_000).fill(200), 404]);
  });
});

test('connections of one address beyond its share are closed, and the share is free again when they end', async () => {
  const limits = { ...httpLimits, connectionsPerAddress: 3 };
  const listener = createListener((_request, response) => void response.end('done'), {
    limits,
    trustedProxies: [],
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const ask = async () => {
    const { socket, closed, received } = await rawConnection(port);
    socket.write(last);
    await closed;
    return statuses(received());
  };
  const held = await Promise.all([1, 2, 3].map(() => rawConnection(port)));
  expect(await ask()).toEqual([]);
  for (const { socket } of held) socket.destroy();
  await until('a share that is free again', async () => (await ask()).length === 1);
  await new Promise((resolve) => listener.close(resolve));
});

test('a trusted proxy may have any number of connections', async () => {
  const limits = { ...httpLimits, connectionsPerAddress: 1 };
  const listener = createListener((_request, response) => void response.end('done'), {
    limits,
    trustedProxies: ['10.0.0.0/8', '127.0.0.0/8', '::1'],
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const many = await Promise.all([1, 2, 3].map(() => rawConnection(port)));
  for (const { socket } of many) socket.write(last);
  await Promise.all(many.map(({ closed }) => closed));
  expect(many.map(({ received }) => statuses(received()))).toEqual([[200], [200], [200]]);
  await new Promise((resolve) => listener.close(resolve));
});

describe('a request after another on one connection', () => {
  /** Two requests in one piece, to a server that answers them in turn, the first one as told. */
  async function afterAnother(answerFirst: (response: ServerResponse) => void) {
    const takeTurn = pipelining();
    const turns: { path: string | undefined; timeoutMs: number | undefined }[] = [];
    const refused: unknown[] = [];
    const server = createServer(async (request, response) => {
      try {
        await takeTurn(request, response);
        turns.push({ path: request.url, timeoutMs: request.socket.timeout });
        if (request.url === '/first') answerFirst(response);
        response.end('done');
      } catch (error) {
        refused.push(error);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { socket, closed, received } = await rawConnection((server.address() as AddressInfo).port);
    socket.write(request('/first') + request('/second', 'Connection: close'));
    await closed;
    await new Promise((resolve) => server.close(resolve));
    return { turns, refused, answers: statuses(received()) };
  }

  test('is not served behind an answer that is the last one', async () => {
    const { turns, refused, answers } = await afterAnother((first) => first.setHeader('connection', 'close'));
    expect(turns.map(({ path }) => path)).toEqual(['/first']);
    expect(refused).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    expect(answers).toEqual([200]);
  });

  test('is not served later than that either', async () => {
    const takeTurn = pipelining();
    const late = Promise.withResolvers<void>();
    const server = createServer(async (request, response) => {
      await takeTurn(request, response);
      response.once('close', () => late.resolve(takeTurn(request, new ServerResponse(request))));
      response.setHeader('connection', 'close').end('done');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { socket, closed } = await rawConnection((server.address() as AddressInfo).port);
    socket.write(request('/first'));
    await expect(late.promise).rejects.toMatchObject({ code: 'ECONNRESET' });
    await closed;
    await new Promise((resolve) => server.close(resolve));
  });

  test('has its own time', async () => {
    const { turns, answers } = await afterAnother((first) => first.setTimeout(60_000));
    expect(turns.map(({ path }) => path)).toEqual(['/first', '/second']);
    expect(turns[1]?.timeoutMs).toBe(0);
    expect(answers).toEqual([200, 200]);
  });
});

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function memory(): number {
  // The lines that this test itself keeps are no memory of the daemon.
  (daemon.log as string[]).length = 0;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Sends a hundred requests and goes: without a word, within the answers, or by closing its half of the connection. */
async function loop(n: number): Promise<void> {
  const { socket, closed } = await rawConnection(daemon.port);
  socket.write(hundred);
  if (n % 100 === 0) socket.end();
  else if (n % 2) socket.resetAndDestroy();
  else socket.once('data', () => socket.destroy());
  await closed;
}

async function loops(count: number): Promise<void> {
  const queue = Array.from({ length: count }, (_, n) => n).values();
  const work = async () => {
    for (const n of queue) await loop(n);
  };
  await Promise.all(Array.from({ length: 16 }, work));
  await until('the daemon to let go of all connections', async () => open.size === 0);
}

test('http-29: connections with a hundred each that end early leave nothing behind', {
  timeout: 120_000,
}, async () => {
  await loops(300);
  const before = memory();
  // A quarter of ten thousand, which would take half a minute: what stays of a connection shows here as well.
  await loops(2_500);
  // Less than a kilobyte stays of each. Some of it is collected only after further turns of the event loop.
  await until('the memory to be given back', async () => memory() - before < 2 * 2 ** 20);
  expect((await daemon.send('GET', '/health')).status).toBe(200);
});
