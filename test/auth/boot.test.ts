import { generateKeyPairSync } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asOsaError } from '@osa/core/error';
import { isOpenToOthers } from '@osa/core/system/secret-file';
import { productionConfig } from '@osa/daemon/config/config';
import { readSettings } from '@osa/daemon/config/read-settings';
import { requireSafe } from '@osa/daemon/config/start-checks';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ed25519, pemOf, secret } from '../support/auth-support.ts';
import { scratch } from '../support/database/database.ts';

/** Settings of issuers with which a daemon does not start. Each refusal names the setting, and repeats no secret. */

let directory: Awaited<ReturnType<typeof scratch>>;
beforeAll(async () => {
  directory = await scratch();
});
afterAll(() => directory.dispose());

const key = ed25519();
const base = {
  DATABASE_URL: 'postgres://osa_app@db/osa',
  OSA_DOMAIN: 'data.example.org',
  OSA_DATA_DIR: '/var/lib/osa',
  OSA_ISSUER: 'ci',
  OSA_PUBLIC_KEY: pemOf(key),
};

async function start(variables: NodeJS.ProcessEnv, file?: string) {
  const environment = { ...base, ...variables };
  const config = await productionConfig({
    version: '1',
    settings: readSettings(environment, file),
    environment,
  });
  requireSafe(config);
  return config;
}

async function refusal(starting: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = asOsaError(
    await starting.then(
      () => new Error('it started'),
      (caught: unknown) => caught,
    ),
  );
  if (!error) return expect.fail('it was not refused');
  return { code: error.code, message: error.message };
}

const rawKey = (bytes: Buffer) =>
  JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') });
/** The eight points whose order divides eight. */
const lowOrder = [
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `${'00'.repeat(31)}80`,
  ...['05', '85'].map((end) => `26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc${end}`),
  ...['7a', 'fa'].map((end) => `c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03${end}`),
].map((text) => Buffer.from(text, 'hex'));
const pemOfBytes = (bytes: Buffer) => {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes]);
  return `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`;
};
const signedZero = Buffer.from(`01${'00'.repeat(30)}80`, 'hex');
const overPrime = Buffer.from(`ee${'ff'.repeat(30)}7f`, 'hex');
const offCurve = Buffer.from(`02${'00'.repeat(31)}`, 'hex');
const pem = (type: 'x25519' | 'ed448' | 'rsa' | 'ec') =>
  (type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
    : type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync(type as 'ed448')
  ).publicKey
    .export({ type: 'spki', format: 'pem' })
    .toString();
const privatePem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const privateJwk = JSON.stringify(key.privateKey.export({ format: 'jwk' }));
const twice = JSON.stringify({
  keys: [ed25519(), ed25519()].map(({ publicKey }) => ({
    ...publicKey.export({ format: 'jwk' }),
    kid: 'same',
  })),
});

describe('a key in OSA_PUBLIC_KEY', () => {
  test.each<[string, string]>([
    ...lowOrder.flatMap((bytes) => [
      [`jwt-key-01 of low order, as JWK: ${bytes.toString('hex')}`, rawKey(bytes)] as [string, string],
      [`jwt-key-01 of low order, as PEM: ${bytes.toString('hex')}`, pemOfBytes(bytes)] as [string, string],
    ]),
    ['jwt-key-03 of x = 0 with a sign', rawKey(signedZero)],
    ['in another spelling', rawKey(overPrime)],
    ['jwt-key-04 that is no point', rawKey(offCurve)],
    ['jwt-key-05 for X25519', pem('x25519')],
    ['jwt-key-05 for Ed448', pem('ed448')],
    ['jwt-key-05 for P-256', pem('ec')],
    ['jwt-key-05 for RSA', pem('rsa')],
    ['jwt-key-06 that is private', privatePem],
    ['jwt-key-06 that is private, as JWK', privateJwk],
    ['jwt-key-06 that is private, as a JWK in another spelling', privateJwk.replace('"d"', '"\\u0064"')],
    ['jwt-key-06 that is private, in a set', `{"keys":[${privateJwk}]}`],
    ['jwt-key-08 that is only spaces', ' '],
    ['that is no key', 'a key'],
    ['whose kid another one has', twice],
    ['of an empty set', '{"keys":[]}'],
  ])('%s', async (_, text) => {
    const { code, message } = await refusal(start({ OSA_PUBLIC_KEY: text }));
    expect(code).toBe('credentials');
    expect(message).toContain('OSA_PUBLIC_KEY');
    expect(message).not.toContain(text.split('\n')[1] ?? '-');
    expect(message).not.toContain(String(key.privateKey.export({ format: 'jwk' }).d));
  });

  test('jwt-key-08 or none, or one in an empty file', async () => {
    const empty = join(directory.path, 'empty');
    await writeFile(empty, '');
    const file = (path: string) => start({ OSA_PUBLIC_KEY: '', OSA_PUBLIC_KEY_FILE: path });
    expect((await refusal(start({ OSA_PUBLIC_KEY: '' }))).message).toContain('OSA_PUBLIC_KEY');
    expect((await refusal(file(empty))).message).toContain('OSA_PUBLIC_KEY_FILE');
  });

  test.each([
    ['that is not there', 'none', 'none (ENOENT)'],
    ['that is a directory', '.', '(EISDIR)'],
    ['whose name is a key', privatePem, 'OSA_PUBLIC_KEY_FILE: cannot read the file that it names'],
  ])('or in a file %s', async (_, name, said) => {
    const file = name === privatePem ? name : join(directory.path, name);
    const { code, message } = await refusal(start({ OSA_PUBLIC_KEY: '', OSA_PUBLIC_KEY_FILE: file }));
    expect([code, message]).toEqual(['usage', expect.stringContaining(said)]);
    expect(message).toMatch(/^OSA_PUBLIC_KEY_FILE: /);
    expect(message).not.toContain('PRIVATE');
  });

  test('or in a file with a private key', async () => {
    const file = join(directory.path, 'private.jwk');
    await writeFile(file, privateJwk);
    const { code, message } = await refusal(start({ OSA_PUBLIC_KEY: '', OSA_PUBLIC_KEY_FILE: file }));
    expect([code, message]).toEqual([
      'credentials',
      expect.stringMatching(/^OSA_PUBLIC_KEY_FILE: .*private key/),
    ]);
  });
});

describe('a file with issuers', () => {
  const entry = (more: string) => `issuers:\n  - { issuer: a, public_key_file: KEY${more} }\n`;
  test.each([
    ['jwt-key-09 without a name', 'issuers: [{ issuer: "", public_key_file: KEY }]', 'issuers[0].issuer'],
    [
      'jwt-key-09 with the name of the primary one',
      'issuers: [{ issuer: primary, public_key_file: KEY }]',
      'issuers[0].issuer',
    ],
    ['of development', 'issuers: [{ issuer: osa-dev, public_key_file: KEY }]', 'OSA_ISSUER'],
    ['twice', `${entry('')}  - { issuer: a, public_key_file: KEY }\n`, 'issuers'],
    ['jwt-key-10 for nobody', entry(', audience: ""'), 'issuers[0].audience'],
    ['jwt-scope-15 with scopes in __proto__', entry(', scope_claim: __proto__'), 'issuers[0].scope_claim'],
    ['with scopes in constructor', entry(', scope_claim: constructor'), 'issuers[0].scope_claim'],
    ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'].map((claim): [string, string, string] => [
      `with scopes in ${claim}`,
      entry(`, scope_claim: ${claim}`),
      'issuers[0].scope_claim',
    ]),
    ...['hooks:write:a*b', 'hooks:write:**', 'hooks:write:*a'].map((scope): [string, string, string] => [
      `with the scope ${scope}`,
      entry(`, scopes: ["${scope}"]`),
      'issuers[0].scopes[0]',
    ]),
    ['bound to what is no scope', entry(', scopes: [hooks]'), 'issuers[0].scopes[0]'],
    ['with two keys in two places', entry(', public_key: x'), 'issuers[0]'],
    [
      'jwt-key-11 with an algorithm for people that is not HS256',
      `${entry('')}primary_algorithm: none\n`,
      'primary_algorithm',
    ],
    ['jwt-key-11 with RS256 for people', `${entry('')}primary_algorithm: RS256\n`, 'primary_algorithm'],
    ['with clocks that differ by hours', `${entry('')}clock_skew_seconds: 3600\n`, 'clock_skew_seconds'],
  ])('%s', async (_, text, setting) => {
    const keyFile = join(directory.path, 'key.pem');
    await writeFile(keyFile, pemOf(key));
    const file = join(directory.path, 'osad.yaml');
    await writeFile(file, text.replaceAll('KEY', keyFile));
    const { code, message } = await refusal(start({ OSA_ISSUER: '', OSA_PUBLIC_KEY: '' }, file));
    expect([code, message]).toEqual(['usage', expect.stringContaining(setting)]);
  });

  test.each([
    ['issuers: [{ issuer: a, public_key_file: NONE }]', 'issuers[0].public_key_file'],
    ['issuers: [{ issuer: a, public_key: x }]', 'issuers[0].public_key'],
    ['primary_secret_file: NONE', 'primary_secret_file'],
    ['primary_secret: short', 'primary_secret'],
  ])('%s is refused by file and setting', async (text, setting) => {
    const file = join(directory.path, 'named.yaml');
    await writeFile(file, text.replace('NONE', join(directory.path, 'none')));
    const { message } = await refusal(start({ OSA_ISSUER: '', OSA_PUBLIC_KEY: '' }, file));
    expect(message.startsWith(`${file}: ${setting}: `)).toBe(true);
  });

  test.each([
    'primary_secret: 98765',
    'primary_secret: [98765]',
    'primary_secret: *98765',
    'primary_secret: !98765',
    'primary_secret: "98765',
    'primary_secret: 98765\nprimary_secret: 98765',
    `primary_secret: 98765${'0'.repeat(400)}`,
    'primary_secret: { a: 98765',
    'Primary_secret: "98765"',
    'primary-secret: 98765',
    'primary_secret:"98765"\nport: 1',
    'port: 1\nprimary_secret:"98765"',
    'port: 1\n? "98765 is it"\n: 1',
    'database_url: [98765]',
    'issuers: 98765',
    'issuers: [{ issuer: a, public_key: *98765 }]',
    'issuers: [{ issuer: a, audience: 98765 }]',
    '98765',
  ])('%j is refused without its text', async (text) => {
    const file = join(directory.path, 'secrets.yaml');
    await writeFile(file, `${text}\n`);
    const { code, message } = await refusal(
      start({ DATABASE_URL: '', OSA_ISSUER: '', OSA_PUBLIC_KEY: '' }, file),
    );
    expect([code, message]).toEqual(['usage', expect.stringContaining(file)]);
    expect(message).not.toContain('98765');
  });
});

describe('OSA_PRIMARY_SECRET', () => {
  test.each([
    ['jwt-key-12 of 31 bytes', 'a secret of 31 bytes, one short'],
    ['jwt-key-12 of one letter, 32 times', 'a'.repeat(32)],
    ['of one letter, more often', 'a'.repeat(64)],
    [
      'of the development of the existing archive',
      'osa-local-dev-jwt-secret-CHANGE-IN-PRODUCTION-not-suitable-for-real-use',
    ],
  ])('%s', async (_, text) => {
    const { code, message } = await refusal(start({ OSA_PRIMARY_SECRET: text }));
    expect([code, message]).toEqual(['usage', expect.stringContaining('OSA_PRIMARY_SECRET')]);
    expect(message).not.toContain(text);
  });

  test('that is good starts, also alone', async () => {
    const config = await start({ OSA_PRIMARY_SECRET: secret.toString(), OSA_ISSUER: '', OSA_PUBLIC_KEY: '' });
    expect(config.trusted.primary?.secret).toEqual(secret);
    expect(config.trusted.machines).toEqual([]);
  });

  test('from a file, without the end of its line', async () => {
    const file = join(directory.path, 'secret');
    await writeFile(file, `${secret}\n`, { mode: 0o600 });
    expect((await start({ OSA_PRIMARY_SECRET_FILE: file })).trusted.primary?.secret).toEqual(secret);
  });

  test('from a file of random bytes, byte for byte', async () => {
    const file = join(directory.path, 'random');
    const random = Buffer.from(Array.from({ length: 40 }, (_, index) => 0x80 + index * 3));
    await writeFile(file, random, { mode: 0o600 });
    expect((await start({ OSA_PRIMARY_SECRET_FILE: file })).trusted.primary?.secret).toEqual(random);
    await writeFile(file, random.subarray(0, 31), { mode: 0o600 });
    expect((await refusal(start({ OSA_PRIMARY_SECRET_FILE: file }))).message).toContain('32 bytes or more');
  });

  test('in a file of root, which a group may read through which the daemon was given it', () => {
    const [root, daemon, somebody] = [0, 1_000, 1_001];
    expect(isOpenToOthers({ mode: 0o100440, uid: root }, daemon)).toBe(false);
    expect(isOpenToOthers({ mode: 0o100640, uid: root }, daemon)).toBe(false);
    expect(isOpenToOthers({ mode: 0o100460, uid: root }, daemon)).toBe(true);
    expect(isOpenToOthers({ mode: 0o100444, uid: root }, daemon)).toBe(true);
    expect(isOpenToOthers({ mode: 0o100440, uid: root }, root)).toBe(true);
    expect(isOpenToOthers({ mode: 0o100440, uid: daemon }, daemon)).toBe(true);
    expect(isOpenToOthers({ mode: 0o100440, uid: somebody }, daemon)).toBe(true);
  });

  test.each([0o640, 0o604, 0o620])('in a file of the mode %o, which others may use', async (mode) => {
    const file = join(directory.path, 'open secret');
    await writeFile(file, secret);
    await chmod(file, mode);
    const { code, message } = await refusal(start({ OSA_PRIMARY_SECRET_FILE: file }));
    expect([code, message]).toEqual([
      'usage',
      expect.stringMatching(/^OSA_PRIMARY_SECRET_FILE: .*chmod 600/),
    ]);
  });

  test.each([
    ['is not there', 'none', 'ENOENT'],
    ['is a directory', '.', 'OSA_PRIMARY_SECRET_FILE'],
  ])('in a file that %s', async (_, name, said) => {
    const { message } = await refusal(start({ OSA_PRIMARY_SECRET_FILE: join(directory.path, name) }));
    expect(message).toMatch(/^OSA_PRIMARY_SECRET_FILE: /);
    expect(message).toContain(said);
  });
});

test.each([
  ['jwt-key-01', { OSA_PUBLIC_KEY: pemOfBytes(lowOrder[4] ?? Buffer.alloc(32)) }, 'OSA_PUBLIC_KEY'],
  ['jwt-key-06', { OSA_PUBLIC_KEY: privatePem }, 'OSA_PUBLIC_KEY'],
  ['jwt-key-12', { OSA_PRIMARY_SECRET: 'a'.repeat(32) }, 'OSA_PRIMARY_SECRET'],
])('%s the program itself ends, and has listened on nothing', async (_, variables, setting) => {
  const main = fileURLToPath(import.meta.resolve('@osa/daemon/main'));
  const env = { ...base, ...variables, PATH: process.env.PATH, HOME: directory.path, OSA_PORT: '0' };
  const { exitCode, stdout, stderr } = await execa(process.execPath, [main], {
    reject: false,
    extendEnv: false,
    env,
  });
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(new RegExp(`^osad: .*${setting}.*$`));
});

test('keys come as PEM, several of them, as JWK and as a set, with their kids', async () => {
  const keys = [ed25519(), ed25519()];
  const jwks = {
    keys: keys.map(({ publicKey }, n) => ({ ...publicKey.export({ format: 'jwk' }), kid: `k${n}` })),
  };
  const kidsOf = async (text: string) =>
    (
      await start({ OSA_PUBLIC_KEY: text, OSA_ISSUER_SCOPES: 'hooks:write:a*, runs:read' })
    ).trusted.machines[0]?.keys.map(({ kid, thumbprint }) => (kid === thumbprint ? 'thumbprint' : kid));
  expect(await kidsOf(keys.map(pemOf).join('\n'))).toEqual(['thumbprint', 'thumbprint']);
  expect(await kidsOf(JSON.stringify(jwks.keys[0]))).toEqual(['k0']);
  expect(await kidsOf(JSON.stringify(jwks))).toEqual(['k0', 'k1']);
});
