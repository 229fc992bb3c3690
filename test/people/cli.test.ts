import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loginConfig } from '@osa/daemon/config/login';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { type CliWorld, createCliWorld } from '../support/fixtures/cli-world.ts';
import { answerAs, browser } from './browser.ts';
import { freePort, type TestProvider, testProvider } from './provider.ts';

/** `osa login`, `osa logout`, and the commands between them. */

let daemon: TestDaemon;
let provider: TestProvider;
let world: CliWorld;
beforeAll(async () => {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await testProvider(`${publicUrl}/api/v1/auth/callback`);
  const { issuer, clientId, clientSecret } = provider;
  const login = { ...loginConfig({ issuer, clientId, clientSecret, publicUrl }), intervalSeconds: 0 };
  [daemon, world] = await Promise.all([testDaemon({ port, login }), createCliWorld()]);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await daemon.close();
  await provider[Symbol.asyncDispose]();
});

const environment = () => ({ OSA_SERVER: daemon.url });
const osa = (...argv: string[]) => world.osa(argv, { environment: environment() });
const kept = () => join(world.userDirectory, 'logins.json');
interface Kept {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresAt: number;
}
const login = async (): Promise<Kept> => JSON.parse(await readFile(kept(), 'utf8'))[daemon.url];
const change = async (changes: Partial<Kept>) =>
  writeFile(kept(), JSON.stringify({ [daemon.url]: { ...(await login()), ...changes } }));

/** Runs `osa login` and answers in a browser meanwhile. */
async function logIn(person: string, answer = 'allow') {
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const before = new Set(
    (await sql<{ user_code: string }[]>`select user_code from logins`).map((row) => row.user_code),
  );
  const running = osa('login', '--json');
  for (;;) {
    const codes = await sql<{ user_code: string }[]>`select user_code from logins`;
    const found = codes.find(({ user_code }) => !before.has(user_code));
    if (found) {
      const own = browser();
      const page = await answerAs(
        person,
        `${daemon.url}/api/v1/auth/device/verify?code=${found.user_code}`,
        own,
      );
      await own.submit(page, { answer });
      return running;
    }
  }
}

test('osa login shows a code, waits, and keeps the tokens where only their owner can read them', async () => {
  const { code, stdout, stderr } = await logIn('marie');
  expect([code, stderr]).toEqual([0, expect.stringMatching(/Open .*verify\?code=[A-Z2-9]{4}-[A-Z2-9]{4}/)]);
  expect(JSON.parse(stdout)).toMatchObject({ display_name: 'Dr marie', roles: [], instead: null });
  expect((await stat(kept())).mode & 0o777).toBe(0o600);
  const me = JSON.parse((await osa('auth', 'whoami', '--json')).stdout);
  expect(me).toMatchObject({
    kind: 'person',
    display_name: 'Dr marie',
    provider: new URL(provider.issuer).host,
  });
});

test('an access token that is about to end is refreshed, once for commands at the same time', async () => {
  const before = await login();
  await change({ expiresAt: Date.now() });
  const runs = await Promise.all(Array.from({ length: 5 }, () => osa('auth', 'whoami', '--json')));
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  const after = await login();
  expect(after.refreshToken).not.toBe(before.refreshToken);
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  expect(await sql`select from refresh_tokens`).toHaveLength(2);
});

test('a key or a token comes before the login', async () => {
  const token = (await daemon.bearer([])).replace('Bearer ', '');
  const { stdout } = await world.osa(['auth', 'whoami', '--json'], {
    environment: { ...environment(), OSA_TOKEN: token },
  });
  expect(JSON.parse(stdout)).toMatchObject({ kind: 'machine' });
});

test('the login is sent to no other server', async () => {
  const other = await testDaemon();
  const { code, stderr } = await world.osa(['auth', 'whoami'], { environment: { OSA_SERVER: other.url } });
  expect([code, stderr]).toEqual([4, expect.stringContaining('osa login')]);
  await other.close();
});

test('a file of logins that others can read is refused', async () => {
  const { chmod } = await import('node:fs/promises');
  await chmod(kept(), 0o644);
  const { code, stderr } = await osa('auth', 'whoami');
  expect([code, stderr]).toEqual([4, expect.stringContaining('chmod 600')]);
  await chmod(kept(), 0o600);
});

test('after a stolen token was used, the next refresh says that the login has ended', async () => {
  const { refreshToken } = await login();
  const body = JSON.stringify({ refresh_token: refreshToken });
  const headers = { 'content-type': 'application/json' };
  expect((await daemon.send('POST', '/api/v1/auth/refresh', { headers, body })).status).toBe(200);
  await change({ expiresAt: 0 });
  const { code, stderr } = await osa('auth', 'whoami');
  expect([code, stderr]).toEqual([4, expect.stringContaining('has ended; log in again with: osa login')]);
  expect((await osa('auth', 'whoami')).stderr).toContain('log in with `osa login`');
});

test('after a stolen token was used twice, the next command says so, though its own token has not run out', async () => {
  await logIn('robbed');
  const { refreshToken } = await login();
  const body = JSON.stringify({ refresh_token: refreshToken });
  const headers = { 'content-type': 'application/json' };
  const steal = async () => (await daemon.send('POST', '/api/v1/auth/refresh', { headers, body })).status;
  expect([await steal(), await steal()]).toEqual([200, 401]);
  const { code, stderr } = await osa('depositions', 'list');
  expect([code, stderr]).toEqual([4, expect.stringContaining('has ended; log in again with: osa login')]);
  expect((await osa('auth', 'whoami')).stderr).toContain('log in with `osa login`');
});

test('a person without a role is told which one an operator gives', async () => {
  await logIn('newcomer');
  const { id } = JSON.parse((await osa('auth', 'whoami', '--json')).stdout);
  const { code, stderr } = await osa('depositions', 'list');
  expect([code, stderr]).toEqual([4, expect.stringContaining(`osad roles grant ${id} DEPOSITOR`)]);
});

test('osa logout ends the login at the server, and says so when there is none', async () => {
  await logIn('ada');
  const { accessToken } = await login();
  expect(JSON.parse((await osa('logout', '--json')).stdout)).toEqual({ server: daemon.url, ended: true });
  const headers = { authorization: `Bearer ${accessToken}` };
  expect((await daemon.send('GET', '/api/v1/auth/me', { headers })).status).toBe(401);
  expect(JSON.parse((await osa('logout', '--json')).stdout)).toMatchObject({ ended: false });
});

test('a person who refuses ends osa login with 4', async () => {
  const { code, stdout } = await logIn('wary', 'refuse');
  expect([code, stdout]).toEqual([4, expect.stringContaining('the person refused')]);
});

test('where the provider does not answer, osa login ends at once and names it', async () => {
  const { issuer, clientId, clientSecret } = provider;
  const config = loginConfig({ issuer, clientId, clientSecret, publicUrl: daemon.url });
  const other = await testDaemon({ login: { ...config, intervalSeconds: 0 } });
  provider.interfere(() => ({ status: 503 }));
  const { code, stderr } = await world.osa(['login'], { environment: { OSA_SERVER: other.url } });
  provider.interfere(undefined);
  expect([code, stderr]).toEqual([
    5,
    expect.stringContaining(`${new URL(issuer).host} does not answer, so nobody can log in`),
  ]);
  await other.close();
});

test('where nobody can log in, osa login says whose setting is missing', async () => {
  const other = await testDaemon();
  const { code, stderr } = await world.osa(['login'], { environment: { OSA_SERVER: other.url } });
  expect([code, stderr]).toEqual([1, expect.stringContaining('OSA_OIDC_ISSUER')]);
  await other.close();
});
