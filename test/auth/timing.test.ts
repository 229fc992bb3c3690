import { performance } from 'node:perf_hooks';
import { hmacSha256, readCompact } from '@osa/core/auth/compact';
import { expect, test } from 'vitest';
import { base64url, forge, hmac, parts, personClaims, secret } from '../support/auth-support.ts';

/** How long a refusal takes tells nothing of how much of a guess was right. */

test('jwt-oracle-01 a MAC that is right at its start takes as long to refuse as any other', () => {
  const token = forge({ alg: 'HS256' }, personClaims('0198c0de-5555-4555-8555-555555555555'), hmac(secret));
  const [first, second, third] = parts(token);
  const right = Buffer.from(third, 'base64url');
  /** Right in its first bytes only. */
  const guess = (count: number) => {
    const mac = Buffer.from(right.map((byte, at) => (at < count ? byte : byte ^ 0xff)));
    return readCompact(`${first}.${second}.${base64url(mac)}`);
  };
  const guesses = Array.from({ length: 32 }, (_, count) => ({ compact: guess(count), took: [] as number[] }));
  // In turns, so that whatever the machine does falls upon all of them. The clock of the processor ticks too rarely
  // for so little work; a sample that is interrupted does not move a median.
  for (let sample = 0; sample < 320; sample += 1) {
    for (const { compact, took } of guesses) {
      const start = performance.now();
      for (let n = 0; n < 8; n += 1) if (hmacSha256(secret, compact)) throw new Error('it was accepted');
      took.push(performance.now() - start);
    }
  }
  const medianOf = (some: typeof guesses) => {
    const took = some.flatMap((one) => one.took).toSorted((a, b) => a - b);
    return took[Math.floor(took.length / 2)] ?? Number.NaN;
  };
  const ratio = medianOf(guesses.slice(24)) / medianOf(guesses.slice(0, 8));
  expect(ratio).toBeGreaterThan(0.9);
  expect(ratio).toBeLessThan(1.1);
  expect(hmacSha256(secret, guess(32))).toBe(true);
});
