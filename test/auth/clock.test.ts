import { generateKeyPairSync } from 'node:crypto';
import { readPrivateKey, signToken } from '@osa/core/auth/sign-token';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { asOsaError } from '@osa/core/error';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Claims, good, now, person, skewSeconds, trustedForTests } from '../support/auth-support.ts';

/** The very second in which a token begins or ceases to hold, with a clock that stands still. */

const user = '0198c0de-4444-4444-8444-444444444444';
const frozen = now();
const trusted = await trustedForTests();

/** Whether the token holds `after` the frozen second. */
function holds(token: string, after = 0): boolean {
  try {
    tokenVerifier(trusted, () => (frozen + after) * 1_000).verify(token);
    return true;
  } catch (error) {
    expect(asOsaError(error)?.code).toBe('invalid_token');
    return false;
  }
}

const issued = frozen - 600;
test.each<[string, boolean, Claims]>([
  ['jwt-time-02 an end that has just come', false, { iat: issued, exp: frozen - skewSeconds }],
  ['jwt-time-04 an end a second later', true, { iat: issued, exp: frozen - skewSeconds + 1 }],
  ['jwt-time-05 an end a second earlier', false, { iat: issued, exp: frozen - skewSeconds - 1 }],
  [
    'jwt-time-07 an end with a fraction, which does not count',
    false,
    { iat: issued, exp: frozen - skewSeconds + 0.9 },
  ],
  ['jwt-time-07 the next end with a fraction', true, { iat: issued, exp: frozen - skewSeconds + 1.9 }],
  ['jwt-time-12 the longest life', true, { iat: frozen, exp: frozen + 3_600 }],
  ['jwt-time-12 a second more', false, { iat: frozen, exp: frozen + 3_601 }],
  ['jwt-time-13 a beginning within what clocks may differ', true, { nbf: frozen + skewSeconds }],
  ['jwt-time-13 a second later', false, { nbf: frozen + skewSeconds + 1 }],
  ['jwt-time-15 issued within what clocks may differ', true, { iat: frozen + skewSeconds, exp: frozen + 60 }],
  ['jwt-time-15 issued a second later', false, { iat: frozen + skewSeconds + 1, exp: frozen + 60 }],
  ['issued in the second in which it ends', true, { iat: frozen + 5, exp: frozen + 5 }],
  ['issued a second after it ends', false, { iat: frozen + 6, exp: frozen + 5 }],
])('%s: %s', (_, expected, changes) => {
  const times = { iat: frozen, exp: frozen + 60, ...changes };
  expect([holds(good(times)), holds(good({ ...times, jti: 'another' }))]).toEqual([expected, expected]);
});

test('the token of a person ends in the same second', () => {
  const token = person(user, { iat: issued, exp: frozen });
  expect([holds(token, skewSeconds - 1), holds(token, skewSeconds)]).toEqual([true, false]);
});

test('a token that is remembered ends in that second too', () => {
  let time = frozen;
  const verifier = tokenVerifier(trusted, () => time * 1_000);
  const token = good({ iat: frozen, exp: frozen + 10 });
  expect(verifier.verify(token).subject).toBe('ci');
  time = frozen + 10 + skewSeconds - 1;
  expect(verifier.verify(token).subject).toBe('ci');
  time += 1;
  expect(() => verifier.verify(token)).toThrow('the token has expired');
});

test('a token lives exactly as long as is asked for, though a second begins while it is made', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = await readPrivateKey(JSON.stringify(privateKey.export({ format: 'jwk' })), 'a key');
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const token = await signToken(key, {
    ...{ issuer: 'i', audience: 'a', subject: 's', scopes: [] },
    get lifetimeSeconds() {
      vi.setSystemTime(Date.now() + 1_000);
      return 300;
    },
  });
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
  const { iat, exp } = JSON.parse(payload);
  expect(exp).toBe(iat + 300);
});
