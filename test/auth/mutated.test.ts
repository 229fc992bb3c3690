import { tokenVerifier } from '@osa/core/auth/verify-token';
import { asOsaError } from '@osa/core/error';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  claims,
  forge,
  good,
  header,
  hmac,
  json,
  machine,
  now,
  ours,
  pemOf,
  rotating,
  trustedForTests,
} from '../support/auth-support.ts';

/** Whatever is done to a good token, nothing but a good one passes. */

const frozen = now();
const verifier = tokenVerifier(await trustedForTests(), () => frozen * 1_000);

function accepts(token: string): boolean {
  try {
    verifier.verify(token);
    return true;
  } catch (error) {
    expect(asOsaError(error)?.code).toBe('invalid_token');
    return false;
  }
}

test('a bit, a character or a part of it, changed, dropped or added', () => {
  const token = good();
  expect(accepts(token)).toBe(true);
  const letters = [...'ABab01-_.=+/ \n?%é'];
  const change = fc.record({
    at: fc.nat(token.length - 1),
    drop: fc.integer({ min: 0, max: 4 }),
    add: fc.array(fc.constantFrom(...letters), { maxLength: 4 }).map((list) => list.join('')),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const changed = changes.reduce(
        (text, { at, drop, add }) => text.slice(0, at) + add + text.slice(at + drop),
        token,
      );
      expect(accepts(changed)).toBe(changed === token);
    }),
    { numRuns: 3_000 },
  );
});

test('other headers and claims, signed with the right key', () => {
  const odd = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      0,
      -1,
      '',
      'x',
      [],
      {},
      [machine],
      machine,
      rotating,
      1e300,
      frozen,
      'EdDSA',
    ),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const change = fc.oneof(
    fc.record({
      in: fc.constant('header' as const),
      name: fc.constantFrom('alg', 'typ', 'kid', 'crit', 'b64', 'jwk', 'zip', 'cty', 'enc', 'other'),
      value: odd,
    }),
    fc.record({
      in: fc.constant('claims' as const),
      name: fc.constantFrom('iss', 'aud', 'sub', 'exp', 'iat', 'nbf', 'jti', 'scope', 'other'),
      value: odd,
    }),
  );
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const heads: Record<string, unknown> = { ...header };
      const body: Record<string, unknown> = { ...claims() };
      for (const { in: where, name, value } of changes) (where === 'header' ? heads : body)[name] = value;
      // Through JSON, as the token goes: -0 is 0 there.
      expect(accepts(forge(json(heads), json(body)))).toBe(
        isGood(JSON.parse(json(heads)), JSON.parse(json(body))),
      );
    }),
    { numRuns: 5_000 },
  );
});

test('another algorithm or key, for any claims', () => {
  const signer = fc.constantFrom(hmac(pemOf(ours)), hmac(''), hmac('x'.repeat(32)), () => new Uint8Array(64));
  const alg = fc.constantFrom('EdDSA', 'Ed25519', 'HS256', 'none', 'HS512');
  fc.assert(
    fc.property(alg, signer, fc.boolean(), (name, sign, named) => {
      const body = named
        ? claims()
        : { ...claims(), iss: undefined, sub: '0198c0de-1111-4111-8111-111111111111' };
      expect(accepts(forge({ alg: name }, body, sign))).toBe(false);
    }),
  );
});

/** The rules again, in a few words and without any of the code that keeps them. */
function isGood(heads: Record<string, unknown>, body: Record<string, unknown>): boolean {
  const isTime = (value: unknown): value is number =>
    typeof value === 'number' && value > 0 && value <= 2 ** 53 - 1;
  const isName = (value: unknown) =>
    typeof value === 'string' &&
    value.trim() !== '' &&
    Buffer.byteLength(value) <= 255 &&
    !/[\p{Cc}\u2028\u2029]/u.test(value);
  const isTexts = (value: unknown) =>
    typeof value === 'string' || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
  const { aud, exp, iat, nbf, scope, jti, sub, iss } = body;
  const audiences = [aud].flat();
  return (
    (heads.alg === 'EdDSA' || heads.alg === 'Ed25519') &&
    ['crit', 'b64', 'jwk', 'zip', 'cty', 'enc'].every((name) => !(name in heads)) &&
    (!('typ' in heads) ||
      (typeof heads.typ === 'string' && ['jwt', 'at+jwt'].includes(heads.typ.toLowerCase()))) &&
    (!('kid' in heads) || typeof heads.kid === 'string') &&
    iss === machine &&
    isName(sub) &&
    (jti === undefined || isName(jti)) &&
    audiences.every((name) => typeof name === 'string') &&
    audiences.includes('https://archive.example') &&
    isTime(exp) &&
    isTime(iat) &&
    Math.floor(exp) - Math.floor(iat) <= 3_600 &&
    Math.floor(iat) <= Math.floor(exp) &&
    Math.floor(exp) + 30 > frozen &&
    Math.floor(iat) <= frozen + 30 &&
    (nbf === undefined || (isTime(nbf) && Math.floor(nbf) <= frozen + 30)) &&
    (scope === undefined || isTexts(scope))
  );
}
