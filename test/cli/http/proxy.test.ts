import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { proxyFor } from '@osa/cli/config/proxy';
import { describe, expect, test } from 'vitest';
import { createCliWorld, startFakeServer } from '../../support/fixtures/cli-world.ts';

const noHooks = { body: { items: [], next_cursor: null, has_more: false } };

interface LocalProxy extends AsyncDisposable {
  readonly url: string;
  /** The first line and the authorization of each request. */
  readonly seen: string[];
}

/** A forward proxy; `refusal` is the status that it answers everything with. Every host is this machine to it. */
async function startProxy(refusal?: number): Promise<LocalProxy> {
  const seen: string[] = [];
  const note = ({ method, url, headers }: IncomingMessage) =>
    seen.push(`${method} ${url} ${headers['proxy-authorization'] ?? '-'}`);
  const forward = (message: IncomingMessage, response: ServerResponse) => {
    note(message);
    if (refusal !== undefined) return void response.writeHead(refusal).end('refused');
    const { pathname, search, port } = new URL(message.url ?? '');
    const { method } = message;
    const { 'proxy-authorization': _, ...headers } = message.headers;
    const onward = request(
      { host: '127.0.0.1', port, method, headers, path: pathname + search },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    message.pipe(onward);
  };
  const server = createServer(forward);
  server.on('connect', (message: IncomingMessage, socket: Socket) => {
    note(message);
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} Refused\r\n\r\n`);
    const port = Number(message.url?.split(':').at(-1));
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const list = (server: string) => ['hooks', 'list', '--server', server];

describe('a proxy of the environment', () => {
  test.each(['HTTP_PROXY', 'http_proxy'])('in %s is asked for the server', async (name) => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => noHooks);
    await using proxy = await startProxy();
    const port = new URL(server.url).port;
    const target = `http://archive.internal:${port}`;
    const environment = { [name]: proxy.url.replace('//', '//me:s3cret@') };
    const { code, stderr } = await world.osa(list(target), { environment });
    expect([code, stderr]).toEqual([0, '']);
    const basic = Buffer.from('me:s3cret').toString('base64');
    expect(proxy.seen).toEqual([`GET ${target}/api/v1/hooks Basic ${basic}`]);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.headers['proxy-authorization']).toBeUndefined();
  });

  test('is asked for a tunnel to a server with https', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => noHooks);
    await using proxy = await startProxy();
    const target = new URL(server.url);
    const { code, stderr } = await world.osa(list(`https://archive.internal:${target.port}`), {
      environment: { HTTPS_PROXY: proxy.url, HTTP_PROXY: 'http://127.0.0.1:9' },
    });
    // The server behind the tunnel does not speak TLS, which is found out through the tunnel.
    expect(code).toBe(5);
    expect(proxy.seen).toEqual([`CONNECT archive.internal:${target.port} -`]);
    expect(stderr).toContain(proxy.url);
  });

  test('is left out for the hosts of NO_PROXY, and for a daemon of this machine', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => noHooks);
    await using proxy = await startProxy();
    const environment = { HTTP_PROXY: proxy.url };
    const exempt = { ...environment, NO_PROXY: 'example.org, 127.0.0.0/8' };
    expect((await world.osa(list(server.url), { environment: exempt })).code).toBe(0);
    await mkdir(join(world.cwd, '.osa'));
    const daemon = JSON.stringify({ url: server.url, pid: process.pid });
    await writeFile(join(world.cwd, '.osa', 'daemon.json'), daemon);
    expect((await world.osa(['hooks', 'list'], { environment })).code).toBe(0);
    expect(proxy.seen).toEqual([]);
    expect((await world.osa(list(server.url), { environment })).code).toBe(0);
    expect(proxy.seen).toHaveLength(1);
  });

  test('that is not there is named, and the server is not blamed', async () => {
    await using world = await createCliWorld();
    const closed = createTcpServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const environment = { HTTP_PROXY: `http://me:s3cret@127.0.0.1:${port}` };
    const { code, stderr } = await world.osa(list('http://archive.internal'), { environment });
    expect(code).toBe(5);
    expect(stderr).toContain(
      `cannot reach http://archive.internal through the proxy http://127.0.0.1:${port} (from HTTP_PROXY)`,
    );
    expect(stderr).not.toContain('s3cret');
  });

  test.each(['http', 'https'])('that refuses is named with its status, for %s', async (scheme) => {
    await using world = await createCliWorld();
    await using proxy = await startProxy(407);
    const environment = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
    const { code, stderr } = await world.osa(list(`${scheme}://archive.internal`), { environment });
    expect(code).toBe(5);
    expect(stderr).toContain(proxy.url);
    expect(stderr).toContain('407');
  });

  test.each(['socks5://me:s3cret@host:1', 'http://', '://s3cret'])(
    '%j is refused, and not shown',
    async (value) => {
      await using world = await createCliWorld();
      const { code, stderr } = await world.osa(list('http://archive.internal'), {
        environment: { HTTP_PROXY: value },
      });
      expect(code).toBe(2);
      expect(stderr).toContain('HTTP_PROXY');
      expect(stderr).not.toContain('s3cret');
    },
  );
});

test.each([
  ['http://a.example.org', 'example.org', true],
  ['http://a.example.org', '.example.org', true],
  ['http://a.example.org', '*.example.org', true],
  ['http://example.org.', 'example.org', true],
  ['http://badexample.org', 'example.org', false],
  ['http://example.org', 'other.org,example.org', true],
  ['http://example.org', 'other.org example.org', true],
  ['http://EXAMPLE.org', 'Example.ORG', true],
  ['http://example.org', 'example.org:80', true],
  ['http://example.org:8080', 'example.org:80', false],
  ['http://example.org', '*', true],
  ['http://example.org', '', false],
  ['http://10.1.2.3', '10.0.0.0/8', true],
  ['http://11.1.2.3', '10.0.0.0/8', false],
  ['http://10.1.2.3', '10.1.2.3', true],
  ['http://1.10.1.2', '10.1.2', false],
  ['http://[::1]:8470', '::1', true],
  ['http://[::1]:8470', '[::1]:8470', true],
  ['http://[::1]:8470', '[::1]:80', false],
  ['http://[fd00::5]', 'fd00::/8', true],
  ['http://10.1.2.3', '10.0.0.0/99', false],
])('%s with NO_PROXY=%s needs no proxy: %s', (url, list, expected) => {
  const found = proxyFor(new URL(url), { HTTP_PROXY: 'proxy.example.org:3128', NO_PROXY: list });
  expect(found === undefined).toBe(expected);
});
