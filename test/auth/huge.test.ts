import { readObject } from '@osa/core/auth/compact';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuthDaemon, authDaemon, leaksOf } from '../support/auth-daemon.ts';
import {
  claims,
  edDsa,
  forge,
  good,
  nothing,
  ours,
  rawClaims,
  trustedForTests,
} from '../support/auth-support.ts';
import { busyFor } from '../support/busy.ts';
import { rawConnection } from '../support/daemon-support.ts';

/**
 * Tokens that are large or deep cost next to nothing. `place` reads headers as it does by default; `roomy` reads any
 * header, so that nothing but the bound of tokens themselves stands before them. Times are of the processor.
 */

const kibi = 1_024;
let place: AuthDaemon;
let roomy: AuthDaemon;
beforeAll(async () => {
  place = await authDaemon();
  roomy = await authDaemon({ http: { headerBytes: 4 * kibi * kibi } });
});
afterAll(() => Promise.all([place, roomy].map(({ daemon }) => daemon.close())));

const verifier = tokenVerifier(await trustedForTests());

/** How long the verification takes to refuse it, in milliseconds. */
function refusal(token: string): number {
  return busyFor(() => expect(() => verifier.verify(token)).toThrow('the token is not accepted'));
}

/** The answers of the two daemons: the first to its header, the other one to the token. */
async function statuses(token: string): Promise<number[]> {
  const lines = [await place.raw(`Bearer ${token}`), await roomy.raw(`Bearer ${token}`)];
  return lines.map((line) => Number(/^HTTP\/1\.1 (\d+)/.exec(line)?.[1]));
}

/** A good token of so many characters. Base64url has no text of some lengths; another name of the algorithm has. */
function ofLength(length: number): string {
  for (const alg of ['EdDSA', 'Ed25519']) {
    const tail = forge({ alg }, '').length;
    const room = Math.floor(((length - tail) * 3) / 4);
    const token = forge({ alg }, rawClaims(`,"note":"${'x'.repeat(room - rawClaims(',"note":""').length)}"`));
    if (token.length === length) return token;
  }
  throw new Error(`no token has ${length} characters`);
}

describe('jwt-form-25 deep nesting', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  test.each([1_500, 30_000])('of %i levels, in the header and in the payload', async (levels) => {
    for (const token of [
      forge(`{"alg":"EdDSA","a":${nested(levels)}}`, claims()),
      forge({ alg: 'EdDSA' }, rawClaims(`,"a":${nested(levels)}`)),
      forge({ alg: 'EdDSA' }, nested(levels)),
    ]) {
      expect(refusal(token)).toBeLessThan(50);
      expect(await statuses(token)).toEqual(levels === 1_500 ? [401, 401] : [431, 401]);
    }
  });

  test('of 30,000 levels also where no size has refused it before', () => {
    const text = Buffer.from(rawClaims(`,"a":${nested(30_000)}`));
    expect(busyFor(() => expect(() => readObject(text, 'payload')).toThrow('in one way'))).toBeLessThan(50);
  });
});

describe('jwt-form-26 an Authorization header', () => {
  test.each([
    [8 * kibi - 1, [200, 200]],
    [8 * kibi, [200, 200]],
    [8 * kibi + 'Bearer '.length, [200, 200]],
    [8 * kibi + 'Bearer '.length + 2, [401, 401]],
    [16 * kibi, [431, 401]],
    [64 * kibi, [431, 401]],
    [kibi * kibi, [431, 401]],
  ])('of %i bytes', async (length, expected) => {
    expect(await statuses(ofLength(length - 'Bearer '.length))).toEqual(expected);
  });

  test('that never ends is cut off', async () => {
    const { socket, closed, received } = await rawConnection(place.daemon.port);
    socket.write(
      `GET /api/v1/auth/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${'x'.repeat(16 * kibi)}`,
    );
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe('more than a token may have, correctly signed', () => {
  const claimsOf = (count: number) =>
    rawClaims(Array.from({ length: count }, (_, n) => `,"claim_${n}":${n}`).join(''));
  test.each([
    ['jwt-form-27 10,000 claims', () => forge({ alg: 'EdDSA' }, claimsOf(10_000))],
    ['jwt-form-27 a claim of a mebibyte', () => good({ note: 'x'.repeat(kibi * kibi) })],
    [
      'jwt-scope-13 200,000 scopes, as a text',
      () => good({ scope: Array.from({ length: 200_000 }, (_, n) => `s:${n}`).join(' ') }),
    ],
    [
      'jwt-scope-13 200,000 scopes, as a list',
      () => good({ scope: Array.from({ length: 200_000 }, (_, n) => `s:${n}`) }),
    ],
  ])('%s', async (_, make) => {
    const token = make();
    // Nothing of it was read: what is wrong is its size.
    expect(() => verifier.verify(token)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: 'it is too long' }) }),
    );
    expect(await statuses(token)).toEqual([431, 401]);
  });
});

test('jwt-form-28 a bad signature under a payload of 60 KiB is refused within 5 ms', async () => {
  const payload = rawClaims(`,"note":"${'x'.repeat(60 * kibi)}"`);
  const tokens = [nothing, () => Buffer.alloc(64, 1), edDsa(ours)].map((signer) =>
    forge({ alg: 'EdDSA' }, payload, signer),
  );
  // Together, since the clock of the processor is coarse.
  const took = Array.from({ length: 300 }, (_, n) => refusal(tokens[n % tokens.length] ?? ''));
  expect(took.reduce((sum, ms) => sum + ms, 0) / took.length).toBeLessThan(5);
  for (const token of tokens) expect(await statuses(token)).toEqual([431, 401]);
});

test('jwt-oracle-03 nothing of them is in the log or in any table', async () => {
  expect([...(await leaksOf(place)), ...(await leaksOf(roomy))]).toEqual([]);
});
