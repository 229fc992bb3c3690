import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createCliWorld,
  type FakeAnswer,
  problem,
  startFakeServer,
} from '../../support/fixtures/cli-world.ts';

/** A 401 is about the token only where the server itself says so. */

const page: FakeAnswer = {
  status: 401,
  headers: { 'content-type': 'text/html' },
  body: '<html><h1>Log in to the network</h1></html>',
};

async function storeLogin(directory: string, url: string, expiresAt: number) {
  const path = join(directory, 'logins.json');
  const logins = { [url]: { accessToken: 'old.access.token', refreshToken: 'refresh-me', expiresAt } };
  await writeFile(path, JSON.stringify(logins), { mode: 0o600 });
  return { logins, read: async () => JSON.parse(await readFile(path, 'utf8')) };
}

test.each([
  ['at a command', Number.MAX_SAFE_INTEGER, ['/api/v1/auth/me']],
  ['at a refresh', 0, ['/api/v1/auth/refresh']],
])('a login stays where a gateway answers with 401 %s', async (_name, expiresAt, paths) => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => page);
  const { logins, read } = await storeLogin(world.userDirectory, server.url, expiresAt);
  const { code, stderr } = await world.osa(['auth', 'whoami'], { environment: { OSA_SERVER: server.url } });
  expect([code, stderr]).toEqual([4, expect.stringContaining('is not an osa server (status 401)')]);
  expect(server.requests.map(({ path }) => path)).toEqual(paths);
  expect(await read()).toEqual(logins);
});

test('a login stays where the server refuses its token, and a gateway the refresh', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(({ path }) =>
    path.endsWith('/refresh') ? page : problem(401, 'invalid_token', 'the token is not accepted'),
  );
  const { logins, read } = await storeLogin(world.userDirectory, server.url, Number.MAX_SAFE_INTEGER);
  const { code, stderr } = await world.osa(['auth', 'whoami'], { environment: { OSA_SERVER: server.url } });
  expect([code, stderr]).toEqual([4, expect.stringContaining('is not an osa server (status 401)')]);
  expect(server.requests).toHaveLength(2);
  expect(await read()).toEqual(logins);
});

test('a login is dropped where the server itself refuses the refresh', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => problem(401, 'invalid_token', 'it has ended'));
  const { read } = await storeLogin(world.userDirectory, server.url, 0);
  const { stderr } = await world.osa(['auth', 'whoami'], { environment: { OSA_SERVER: server.url } });
  expect(stderr).toContain('has ended; log in again with: osa login');
  expect(await read()).toEqual({});
});

test('no token is sent to a gateway that wants one for a public read', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => page);
  await storeLogin(world.userDirectory, server.url, Number.MAX_SAFE_INTEGER);
  await world.osa(['hooks', 'list'], { environment: { OSA_SERVER: server.url } });
  expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test('advice is about the token of the refusal that is shown', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(({ headers }) =>
    headers.authorization
      ? problem(401, 'invalid_token', 'this key is not trusted')
      : problem(401, 'missing_token', 'a token is needed'),
  );
  const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const environment = { OSA_KEY: key, OSA_SERVER: server.url };
  const { stderr } = await world.osa(['trace', 'seismic_energy/17'], { environment });
  expect(stderr).toContain('this key is not trusted; `osa auth check` finds out why');
  expect(server.requests.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, false]);
});
