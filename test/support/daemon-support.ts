import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Answer, type RouteName, routes } from '@osa/core/api';
import type { Problem } from '@osa/core/api/problem';
import type { Route } from '@osa/core/api/route';
import { readPublicKeys } from '@osa/core/auth/public-keys';
import { readPrivateKey, type SigningKey, signToken, type TokenRequest } from '@osa/core/auth/sign-token';
import { packDirectory } from '@osa/core/hook/archive/pack';
import type { DaemonConfig } from '@osa/daemon/config/config';
import { startDaemon } from '@osa/daemon/daemon';
import { createLog } from '@osa/daemon/log';
import { request } from 'undici';
import { expect } from 'vitest';
import { scratch, type TestDatabase, testDatabase } from './database/database.ts';

/** A real daemon in this process, on a database of its own. */
export interface TestDaemon {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly database: TestDatabase;
  readonly key: SigningKey;
  /** Its log, one JSON line each. */
  readonly log: readonly string[];
  /** The Authorization header of somebody with these scopes. */
  bearer(scopes: readonly string[], changes?: Partial<TokenRequest>): Promise<string>;
  /** Sends anything and answers anything. */
  send(method: string, path: string, options?: SendOptions): Promise<Received>;
  /** Calls a route as somebody who may do all, and holds the answer against the contract. */
  call<N extends RouteName>(name: N, options?: CallOptions): Promise<Answer<N>>;
  /** Stops the daemon; the database stays. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

export interface CallOptions extends SendOptions {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly json?: unknown;
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body, if it is a problem. */
  readonly problem: Problem | undefined;
}

export const everything = [
  'conventions:write',
  'hooks:write',
  'ingestions:write',
  'ingestions:read',
  'depositions:write',
  'depositions:review',
  'runs:read',
  'replays:write',
  'publishers:write',
  'recalls:write',
  'events:read',
];

export async function testDaemon(changes: Partial<DaemonConfig> = {}): Promise<TestDaemon> {
  const database = await testDatabase();
  const directory = await scratch();
  const key = await signingKey();
  const log: string[] = [];
  const daemon = await startDaemon(
    { ...(await testConfig({ url: database.appUrl, directory: directory.path, key })), ...changes },
    { log: createLog({ level: 'trace', readable: false, destination: { write: (line) => log.push(line) } }) },
  );
  const { url } = daemon;
  const bearer = async (scopes: readonly string[], other: Partial<TokenRequest> = {}) => {
    const claims = { issuer: 'test', audience: 'osa', subject: 'tester', lifetimeSeconds: 60, ...other };
    return `Bearer ${await signToken(key, { ...claims, scopes })}`;
  };
  const send = (method: string, path: string, options?: SendOptions) => sendTo(url, method, path, options);
  return {
    url,
    port: Number(new URL(url).port),
    directory: directory.path,
    database,
    key,
    log,
    bearer,
    send,
    async call(name, options = {}) {
      const route: Route = routes[name];
      const received = await send(route.method, pathOf(route, options), {
        ...(options.json === undefined ? {} : { body: JSON.stringify(options.json) }),
        ...options,
        headers: {
          authorization: await bearer(everything),
          ...(route.body !== undefined && {
            'content-type': typeof route.body === 'string' ? route.body : 'application/json',
          }),
          ...options.headers,
        },
      });
      expect(received.text).toSatisfy(() => received.status === route.status);
      const { response } = route;
      if (response === 'text' || response === 'markdown' || response === 'html')
        return received.text as never;
      if (typeof response === 'string') return Buffer.from(received.text) as never;
      return response.parse(JSON.parse(received.text)) as never;
    },
    stop: () => daemon.close(),
    async close() {
      await daemon.close();
      await database.close();
      await directory.dispose();
    },
  };
}

export interface TestConfigParts {
  readonly url: string;
  readonly directory: string;
  readonly key: SigningKey;
}

export async function testConfig({ url, directory, key }: TestConfigParts): Promise<DaemonConfig> {
  const keys = await readPublicKeys(JSON.stringify(key.publicJwk), 'a key for tests');
  return {
    mode: 'development',
    part: 'all',
    version: '0.0.0-test',
    database: { url, connections: 5 },
    domain: 'localhost',
    host: '127.0.0.1',
    port: 0,
    dataDirectory: join(directory, 'data'),
    workDirectory: join(directory, 'work'),
    reads: 'public',
    trustedProxies: [],
    trusted: {
      machines: [{ issuer: 'test', audience: 'osa', scopeClaim: 'scope', scopes: undefined, keys }],
      primary: undefined,
      clockSkewSeconds: 30,
      maxLifetimeSeconds: 3_600,
    },
    runner: 'process',
    containers: { engineOptions: [], pullSeconds: 60 },
    maxHookMemoryBytes: 2 ** 40,
    worker: { name: 'tests', isInherited: true, concurrency: 1, perHook: 1, leaseSeconds: 30 },
    drainSeconds: 10,
    environment: process.env,
  };
}

export async function signingKey(): Promise<SigningKey> {
  const { privateKey } = generateKeyPairSync('ed25519');
  return readPrivateKey(JSON.stringify(privateKey.export({ format: 'jwk' })), 'a key for tests');
}

/** Packs and uploads the hook, and deploys a convention `tests` with it. */
export async function deployHook(
  daemon: TestDaemon,
  code: string,
  name = 'probe',
  slug = 'tests',
): Promise<Answer<'deploy'>> {
  const digest = await uploaded(daemon, code);
  return daemon.call('deploy', { json: { ...deployRequest([declaration(name, digest)]), slug } });
}

/** Packs and uploads the code of a hook; the answer is its digest. */
export async function uploaded(daemon: TestDaemon, code: string, file = 'hook.mjs'): Promise<string> {
  const place = join(daemon.directory, 'hooks', crypto.randomUUID());
  await mkdir(place, { recursive: true });
  await writeFile(join(place, file), code);
  const pack = await packDirectory(place);
  const sha256 = pack.digest.replace('sha256:', '');
  await daemon.call('putBlob', { params: { sha256 }, body: await buffer(pack.open()) });
  return pack.digest;
}

export function declaration(name: string, digest: string): Record<string, unknown> {
  return {
    name,
    feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
    release: {
      runtime: 'directory',
      digest,
      command: [process.execPath, 'hook.mjs'],
      source_ref: 'git+https://example.org/repo@1',
    },
  };
}

export function deployRequest(hooks: readonly object[] = []): Record<string, unknown> {
  return {
    slug: 'tests',
    title: 'Tests',
    description: 'A convention for tests',
    schema: {
      id: 'test-record',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks,
  };
}

export function ndjson(count: number): string {
  const record = (index: number) => JSON.stringify({ source_id: `r${index}`, metadata: { value: index } });
  return Array.from({ length: count }, (_, index) => `${record(index)}\n`).join('');
}

/** A socket to the daemon that gathers what it answers. */
export interface RawConnection {
  readonly socket: Socket;
  received(): string;
  /** Resolves when the daemon has closed the connection. */
  readonly closed: Promise<void>;
}

export async function rawConnection(port: number): Promise<RawConnection> {
  const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: true });
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve()).on('end', () => socket.end());
  });
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return { socket, closed, received: () => text };
}

async function sendTo(
  url: string,
  method: string,
  path: string,
  options: SendOptions = {},
): Promise<Received> {
  const { statusCode, headers, body } = await request(`${url}${path}`, {
    method: method as 'GET',
    headers: options.headers ?? {},
    body: (options.body ?? null) as never,
  });
  const text = await body.text();
  const isProblem = String(headers['content-type']).startsWith('application/problem+json');
  return {
    status: statusCode,
    headers,
    text,
    problem: isProblem ? (JSON.parse(text) as Problem) : undefined,
  };
}

function pathOf(route: Route, { params = {}, query = {} }: CallOptions): string {
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  return search.size === 0 ? path : `${path}?${search}`;
}
