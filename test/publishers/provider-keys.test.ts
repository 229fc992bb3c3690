import { cachedProviderKeys } from '@osa/daemon/auth/provider-keys';
import { createLog } from '@osa/daemon/log';
import { beforeEach, expect, test } from 'vitest';
import { type OpenIdProvider, openIdProvider } from './openid.ts';

let ci: OpenIdProvider;
let now = 0;
beforeEach(async () => {
  ci = await openIdProvider();
  now = 0;
  return () => ci[Symbol.asyncDispose]();
});
const log = createLog({ level: 'silent', readable: false });
const cached = () => cachedProviderKeys({ log, now: () => now });
const kids = async (keys: ReturnType<typeof cached>, kid?: string) =>
  (await keys.keys(ci.issuer, kid)).map((key) => key.kid);

test('keys are kept for ten minutes, and many that ask at once ask the provider once', async () => {
  const keys = cached();
  await Promise.all(Array.from({ length: 10 }, () => kids(keys, 'rsa-1')));
  now = 599_000;
  expect(await kids(keys, 'rsa-1')).toEqual(['rsa-1', 'ec-1']);
  expect(ci.asked()).toBe(1);
  now = 601_000;
  await kids(keys, 'rsa-1');
  expect(ci.asked()).toBe(2);
});

test('a rotated key is found, and strangers make the provider be asked once in half a minute', async () => {
  const keys = cached();
  await kids(keys, 'rsa-1');
  ci.rotate();
  now = 10_000;
  expect(await kids(keys, 'rsa-2')).not.toContain('rsa-2');
  now = 31_000;
  expect(await kids(keys, 'rsa-2')).toContain('rsa-2');
  for (let n = 0; n < 20; n += 1) await kids(keys, `nobody-${n}`);
  expect(ci.asked()).toBe(2);
});

test('kept keys are used for a day while the provider does not answer', async () => {
  const keys = cached();
  await kids(keys, 'rsa-1');
  ci.publish(undefined);
  now = 3_600_000;
  expect(await kids(keys, 'rsa-1')).toContain('rsa-1');
  now = 90_000_000;
  await expect(kids(keys, 'rsa-1')).rejects.toMatchObject({ code: 'busy' });
});

test.each([
  ['too much', 'x'.repeat(300 * 1024)],
  ['no JSON', '{'],
  ['a list', '[]'],
])('%s is no key set', async (_, text) => {
  ci.publish(text);
  await expect(kids(cached(), 'rsa-1')).rejects.toMatchObject({ code: 'busy' });
});

test('weak keys, private keys and keys for other uses are left out', async () => {
  const [rsa] = ci.jwks().keys as [Record<string, unknown>];
  const weak = { ...rsa, kid: 'weak', n: String(rsa.n).slice(0, 171) };
  const others = [
    { ...rsa, kid: 'encrypts', use: 'enc' },
    { ...rsa, kid: 'private', d: 'AQAB' },
    { ...rsa, kid: 'small', e: 'Aw' },
    { ...rsa, kid: 'named', alg: 'RS512' },
    { kty: 'oct', kid: 'secret', k: 'AQAB' },
    { kty: 'EC', crv: 'P-256', kid: 'off', x: 'AQAB', y: 'AQAB' },
  ];
  ci.publish(JSON.stringify({ keys: [weak, ...others, rsa, 7, null] }));
  expect(await kids(cached())).toEqual(['rsa-1']);
});

test('a provider that names another issuer, or leads elsewhere, is not believed', async () => {
  await expect(cached().keys(ci.issuer.replace('127.0.0.1', 'localhost'), 'rsa-1')).rejects.toMatchObject({
    code: 'busy',
  });
});
