import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer } from '@osa/core/api';
import { readPrivateKey, signToken } from '@osa/core/auth/sign-token';
import { findEmbedded, removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { execa } from 'execa';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { scratch, until } from '../support/database/database.ts';

/** `osad --dev` as a person starts it: a process of its own. */

const main = fileURLToPath(import.meta.resolve('@osa/daemon/main'));
const started: ReturnType<typeof spawnDaemon>[] = [];
let place: Awaited<ReturnType<typeof scratch>>;
let directory: string;
beforeAll(async () => {
  place = await scratch();
  directory = join(place.path, 'project', '.osa');
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGTERM');
    await child;
  }
});
afterAll(async () => {
  const left = await findEmbedded(directory);
  if (left) process.kill(left.pid, 'SIGQUIT');
  await until('the server to end', async () => (await findEmbedded(directory)) === undefined);
  await removeEmbedded(directory);
  await place.dispose();
});

interface DaemonFile {
  readonly pid: number;
  readonly url: string;
  readonly issuer: string;
  readonly audience: string;
  readonly key_file: string;
}

function spawnDaemon(args: readonly string[]) {
  const env = { PATH: process.env.PATH ?? '', HOME: place.path };
  return execa(process.execPath, [main, ...args], { reject: false, extendEnv: false, env });
}

function osad(...args: string[]) {
  const child = spawnDaemon(args);
  started.push(child);
  return child;
}

async function startDev() {
  const child = osad('--dev', '--dir', directory, '--port', '0');
  const file = await until('daemon.json', async () => {
    const found = daemonFile();
    return found?.pid === child.pid && found;
  });
  return { child, file };
}

function daemonFile(): DaemonFile | undefined {
  const path = join(directory, 'daemon.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as DaemonFile) : undefined;
}

test('makes all it needs, tells how it is reached, and leaves no process', async () => {
  const { child, file } = await startDev();
  expect(file).toMatchObject({ issuer: 'osa-dev', audience: 'osa-dev', key_file: 'dev-key.jwk' });
  const published = (await (await fetch(`${file.url}/api/v1/auth/issuers`)).json()) as Answer<'listIssuers'>;
  expect(published.issuers[0]?.keys[0]?.kid).toMatch(/^osa-dev-/);
  expect(new URL(file.url).hostname).toBe('127.0.0.1');
  for (const name of ['daemon.json', 'dev-key.jwk', 'lock']) {
    expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
  }
  expect(readFileSync(join(directory, '.gitignore'), 'utf8')).toBe('*\n');
  const key = await readPrivateKey(readFileSync(join(directory, file.key_file), 'utf8'), 'dev-key.jwk');
  const claims = {
    issuer: file.issuer,
    audience: file.audience,
    subject: 'me',
    scopes: ['ingestions:read'],
    lifetimeSeconds: 60,
  };
  const authorization = `Bearer ${await signToken(key, claims)}`;
  const { statusCode } = await request(`${file.url}/api/v1/ingestions`, { headers: { authorization } });
  expect(statusCode).toBe(200);

  child.kill('SIGTERM');
  const { exitCode, stdout } = await child;
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(new RegExp(`^osad listens on ${file.url}; .*$`));
  expect(daemonFile()).toBeUndefined();
  expect(await findEmbedded(directory)).toBeUndefined();
});

test('holds its directory alone, comes back after a crash with the same key, and adopts its database', async () => {
  const key = readFileSync(join(directory, 'dev-key.jwk'), 'utf8');
  const first = await startDev();
  const second = await osad('--dev', '--dir', directory, '--port', '0');
  expect(second.exitCode).toBe(1);
  expect(second.stderr).toContain(`process ${first.file.pid} at ${first.file.url}`);
  expect(daemonFile()).toEqual(first.file);

  first.child.kill('SIGKILL');
  await first.child;
  const server = await findEmbedded(directory);
  expect(server).toBeDefined();
  const third = await startDev();
  expect((await findEmbedded(directory))?.pid).toBe(server?.pid);
  expect(readFileSync(join(directory, 'dev-key.jwk'), 'utf8')).toBe(key);
  expect(third.file.pid).not.toBe(first.file.pid);
  const { statusCode } = await request(`${third.file.url}/ready`);
  expect(statusCode).toBe(200);
});

test('says which port is taken, and leaves nothing running', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  const { exitCode, stderr } = await osad('--dev', '--dir', directory, '--port', port);
  server.close();
  expect(exitCode).toBe(1);
  expect(stderr).toContain(port);
  expect(stderr).toContain('--port');
  expect(stderr).not.toContain('    at ');
  expect(await findEmbedded(directory)).toBeUndefined();
});

test.each([
  [['--frob'], 2],
  [['frob'], 2],
  [['--dev', '--port', 'x'], 2],
  [['--dev', '--database', 'postgres://x'], 2],
  [['migrate', '--port', '1'], 2],
  [['migrate'], 2],
  [[], 2],
  [['--help'], 0],
  [['--version'], 0],
])('osad %j exits with %i', async (args, expected) => {
  const { exitCode, stdout, stderr } = await osad(...args);
  expect(exitCode).toBe(expected);
  expect(expected === 0 ? stderr : stdout).toBe('');
  expect(`${stdout}${stderr}`).not.toContain('    at ');
});
