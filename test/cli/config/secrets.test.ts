import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quotedUnlessSecret } from '@osa/cli/config/secrets';
import { describe, expect, test } from 'vitest';
import { createCliWorld, problem, startFakeServer } from '../../support/fixtures/cli-world.ts';

const key = generateKeyPairSync('ed25519').privateKey;
const jwk = key.export({ format: 'jwk' });
const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
const secret = pem.split('\n')[1] ?? '';

describe('a secret in the wrong variable is not shown', () => {
  const texts: readonly (readonly [string, string])[] = [
    ['a JWK', JSON.stringify(jwk)],
    ['a PEM', pem],
    ['a PEM without its ends', secret],
    ['the private half', String(jwk.d)],
  ];
  const variables = ['OSA_KEY_FILE', 'OSA_SERVER', 'OSA_TOKEN', 'OSA_ISSUER', 'OSA_AUDIENCE', 'OSA_SUBJECT'];
  const commands = [['ingestions', 'list'], ['auth', 'check'], ['keys', 'show'], ['token']];

  test.each(variables.flatMap((name) => texts.map(([title, text]) => [title, name, text] as const)))(
    '%s in %s',
    async (_, name, text) => {
      await using world = await createCliWorld();
      await using server = await startFakeServer(() => ({ status: 404, body: '' }));
      for (const argv of commands) {
        // A bare name is a name: only what can be told from one is refused there.
        if (/ISSUER|AUDIENCE|SUBJECT/.test(name) && !/PRIVATE|"d"/.test(text)) continue;
        const others = /KEY_FILE|TOKEN/.test(name) ? {} : { OSA_KEY: pem };
        const environment = { OSA_SERVER: server.url, OSA_DEBUG: '1', ...others, [name]: text };
        for (const given of [argv, [...argv, '--json']]) {
          const { code, stdout, stderr } = await world.osa(given, { environment });
          expect(code).not.toBe(0);
          expect(stdout + stderr).toContain(name);
          expect(stdout + stderr).not.toContain(secret);
          expect(stdout + stderr).not.toContain(String(jwk.d));
        }
      }
      expect(server.requests.flatMap(({ headers }) => headers.authorization ?? [])).toEqual([]);
    },
  );

  test.each([
    'https://me:s3cret@archive.example.org/?x',
    'ftp://me:s3cret@archive.example.org',
    'https://me:s3cret@archive.example.org',
  ])('a password in OSA_SERVER: %s', async (value) => {
    await using world = await createCliWorld();
    const { code, stderr } = await world.osa(['hooks', 'list'], { environment: { OSA_SERVER: value } });
    expect(code).toBe(2);
    expect(stderr).toContain('OSA_SERVER');
    expect(stderr).not.toContain('s3cret');
  });
});

test('no key is taken for harmless, whatever its bytes are', () => {
  for (let n = 0; n < 1_000; n++) {
    const { privateKey } = generateKeyPairSync('ed25519');
    const der = privateKey.export({ format: 'der', type: 'pkcs8' });
    for (const bytes of [der, der.subarray(-32), der.subarray(-16)]) {
      for (const text of [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex')]) {
        expect(quotedUnlessSecret(text)).toBe('');
      }
    }
  }
});

test('a harmless value is shown, since it helps', async () => {
  await using world = await createCliWorld();
  const { stderr } = await world.osa(['hooks', 'list'], { environment: { OSA_SERVER: 'localhost:8470' } });
  expect(stderr).toContain('OSA_SERVER: "localhost:8470" is not a server\'s URL');
});

test.each(['OSA_KEY', 'OSA_KEY_FILE', 'OSA_TOKEN'])('%s that is set and empty is said', async (name) => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => ({ body: '' }));
  const environment = { OSA_SERVER: server.url, [name]: '' };
  for (const argv of [['ingestions', 'list'], ['token'], ['auth', 'check'], ['keys', 'show']]) {
    const { code, stderr } = await world.osa(argv, { environment });
    expect(code).toBe(4);
    expect(stderr).toContain(`${name} is set and empty`);
    expect(stderr).toContain('forks');
  }
});

test.each([
  ['a page', { headers: { 'content-type': 'text/html' }, body: '<h1>Hello</h1>' }],
  ['an error of another kind', { status: 404, headers: { 'content-type': 'text/html' }, body: 'not found' }],
  ['JSON of another kind of error', { status: 404, body: { message: 'Not Found' } }],
])('OSA_SERVER that answers with %s is said to be no osa server', async (_, answer) => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => answer);
  const { code, stderr } = await world.osa(['hooks', 'list'], { environment: { OSA_SERVER: server.url } });
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`${server.url} is not an osa server .*OSA_SERVER`));
});

test('OSA_SERVER with a path that no route of the server is below is said to be no osa server', async () => {
  await using world = await createCliWorld();
  const details = { routes: '/openapi.json' };
  await using server = await startFakeServer(() =>
    problem(404, 'not_found', 'there is no route', { details }),
  );
  const OSA_SERVER = `${server.url}/x`;
  const { code, stderr } = await world.osa(['hooks', 'list'], { environment: { OSA_SERVER } });
  expect([code, stderr]).toEqual([1, expect.stringContaining(`${OSA_SERVER} is not an osa server`)]);
});

test('a key file that others may read is named by its path', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => ({ body: '' }));
  const file = join(world.cwd, 'open.pem');
  await writeFile(file, pem, { mode: 0o644 });
  const environment = { OSA_SERVER: server.url, OSA_KEY_FILE: file };
  expect((await world.osa(['token'], { environment })).stderr).toContain(`chmod 600 ${file}`);
});
