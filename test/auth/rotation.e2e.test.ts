import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { request } from 'undici';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { claims, ed25519, edDsa, forge, type KeyPair, machine } from '../support/auth-support.ts';
import { scratch, until } from '../support/database/database.ts';
import { type Daemon, startDaemon } from '../support/programs.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Keys come and go while a daemon runs, by SIGHUP. */

let directory: Awaited<ReturnType<typeof scratch>>;
let daemon: Daemon;
const keys = { first: ed25519(), second: ed25519() };

beforeEach(async () => {
  directory = await scratch();
  await publish('first');
  await settings(true);
  daemon = await startDaemon(directory.path, '--config', join(directory.path, 'osad.yaml'));
});
afterEach(async () => {
  await daemon.end('SIGTERM');
  await removeEmbedded(join(directory.path, '.osa'));
  await directory.dispose();
});

async function write(name: string, text: string): Promise<void> {
  const path = join(directory.path, name);
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function publish(...kids: (keyof typeof keys)[]): Promise<void> {
  const set = kids.map((kid) => ({ ...keys[kid].publicKey.export({ format: 'jwk' }), kid }));
  await write('keys.json', JSON.stringify({ keys: set }));
}

async function settings(withIssuer: boolean): Promise<void> {
  const entry = `  - { issuer: "${machine}", audience: here, public_key_file: ${join(directory.path, 'keys.json')} }\n`;
  await write('osad.yaml', withIssuer ? `issuers:\n${entry}` : 'issuers: []\n');
}

function tokenOf(kid: keyof typeof keys, key: KeyPair = keys[kid]): string {
  return forge({ alg: 'EdDSA', kid }, claims({ aud: 'here', jti: crypto.randomUUID() }), edDsa(key));
}

async function statusOf(token: string): Promise<number> {
  const { statusCode, body } = await request(`${daemon.url}/api/v1/auth/me`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await body.dump();
  return statusCode;
}

/** The kids of the issuer as the daemon has them; undefined without the issuer. */
async function published(): Promise<string | undefined> {
  const { body } = await request(`${daemon.url}/api/v1/auth/issuers`);
  const { issuers } = (await body.json()) as { issuers: { issuer: string; keys: { kid: string }[] }[] };
  const found = issuers.find(({ issuer }) => issuer === machine);
  return found?.keys.map(({ kid }) => kid).join();
}

async function reloaded(expected: string | undefined): Promise<void> {
  daemon.process.kill('SIGHUP');
  await until(`the keys ${expected}`, async () => (await published()) === expected);
}

test('publish a key, sign with it, retire the old one: no good token is refused meanwhile', async () => {
  const old = tokenOf('first');
  let signing: keyof typeof keys = 'first';
  let ended = false;
  const seen: number[] = [];
  const load = Array.from({ length: 4 }, async () => {
    while (!ended) seen.push(await statusOf(tokenOf(signing)));
  });
  expect(await statusOf(old)).toBe(200);
  await publish('first', 'second');
  await reloaded('first,second');
  const before = seen.length;
  signing = 'second';
  await until('tokens of the new key', async () => seen.length > before + 50);
  // Requests on their way with the old key end before it is retired.
  ended = true;
  await Promise.all(load);
  await publish('second');
  await reloaded('second');
  expect(await statusOf(tokenOf('second'))).toBe(200);
  // One that was accepted, and is remembered, too.
  expect([await statusOf(old), await statusOf(tokenOf('first'))]).toEqual([401, 401]);
  expect(seen.filter((status) => status !== 200)).toEqual([]);
  expect(seen.length).toBeGreaterThan(50);
});

test('jwt-oracle-05 what cannot be read changes nothing, and an issuer that is removed is refused at once', async () => {
  const token = tokenOf('first');
  expect(await statusOf(token)).toBe(200);
  await write('keys.json', '{"keys":[{"kty":"RSA"}]}');
  daemon.process.kill('SIGHUP');
  await until('the error in the log', async () => daemon.output().includes('they stay the same'));
  expect(await statusOf(token)).toBe(200);
  await publish('first');
  await settings(false);
  await reloaded(undefined);
  expect(await statusOf(token)).toBe(401);
});
