import { generateKeyPairSync } from 'node:crypto';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ownIssuer, withOwn } from '@osa/daemon/auth/own-issuer';
import { beforeEach, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';

let directory: string;
beforeEach(async () => {
  const place = await scratch();
  directory = place.path;
  return () => place.dispose();
});
const trusted = { machines: [], primary: undefined, clockSkewSeconds: 30, maxLifetimeSeconds: 3_600 };
const own = (more: object = {}) => ownIssuer({ dataDirectory: directory, domain: 'x.org', trusted, ...more });

test('daemons that start at the same time share one key, which nobody else can read', async () => {
  const all = await Promise.all(Array.from({ length: 5 }, () => own()));
  expect(new Set(all.map(({ key }) => key.kid)).size).toBe(1);
  expect((await stat(join(directory, 'exchange-key.jwk'))).mode & 0o777).toBe(0o600);
});

test('a key that others can read is refused', async () => {
  await own();
  await chmod(join(directory, 'exchange-key.jwk'), 0o644);
  await expect(own()).rejects.toMatchObject({ code: 'credentials' });
});

test('the key of the settings is taken instead, and tokens live no longer than others', async () => {
  const jwk = { ...generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }), kid: 'shared' };
  const exchangeKey = { name: 'OSA_EXCHANGE_KEY_FILE', text: JSON.stringify(jwk) };
  const found = await own({ exchangeKey, trusted: { ...trusted, maxLifetimeSeconds: 60 } });
  expect([found.key.kid, found.lifetimeSeconds]).toEqual(['shared', 60]);
  await expect(stat(join(directory, 'exchange-key.jwk'))).rejects.toThrow('ENOENT');
});

test('no issuer of the settings has the name of ours', async () => {
  const { machine } = await own();
  expect(() => withOwn({ ...trusted, machines: [machine] }, machine)).toThrow("osad's own issuer");
});
