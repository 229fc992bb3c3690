import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hmacSha256, readCompact, TokenFlaw } from '@osa/core/auth/compact';
import { keyBytesOf, keyFlaw, keyFrom, verifyStrictly } from '@osa/core/auth/ed25519';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { describe, expect, test } from 'vitest';
import { trustedForTests } from '../support/auth-support.ts';

/** Ed25519 and HMAC as they are published to be tried; files of vectors that are not here are skipped by name. */

interface Vectors<T, G> {
  readonly testGroups: readonly (G & {
    readonly tests: readonly (T & { readonly tcId: number; readonly result: string })[];
  })[];
}

function vectors<T, G>(name: string): Vectors<T, G> | undefined {
  const directory =
    process.env.OSA_TEST_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url));
  try {
    return JSON.parse(readFileSync(`${directory}/${name}`, 'utf8')) as Vectors<T, G>;
  } catch {
    return undefined;
  }
}

const hex = (text: string) => Buffer.from(text, 'hex');

/** Verifies as the daemon does: a key with a flaw is never trusted, so nothing holds under it. */
function holds(publicKey: Buffer, message: Buffer, signature: Buffer): boolean {
  return keyFlaw(publicKey) === undefined && verifyStrictly(keyFrom(publicKey), message, signature);
}

describe('Wycheproof', () => {
  const eddsa = vectors<{ msg: string; sig: string }, { publicKey: { pk: string } }>('ed25519_test.json');
  test.skipIf(!eddsa)('jwt-sig-01 Ed25519 (skipped without the file ed25519_test.json)', () => {
    const found = eddsa?.testGroups.flatMap(({ publicKey, tests }) =>
      tests.map(({ tcId, msg, sig, result }) => ({
        tcId,
        right: holds(hex(publicKey.pk), hex(msg), hex(sig)) === (result === 'valid'),
      })),
    );
    expect(found?.filter(({ right }) => !right)).toEqual([]);
    expect(found).toHaveLength(151);
    expect(
      eddsa?.testGroups.flatMap(({ tests }) => tests.filter(({ result }) => result === 'valid')),
    ).toHaveLength(88);
  });

  const jws = vectors<{ jws: string }, { private?: { alg?: string; k?: string } }>(
    'json_web_signature_test.json',
  );
  // 367 and 370 are the same bytes as a valid one; 372 and 373 hold a character that is not base64url.
  const impossible = [367, 370, 372, 373];
  test.skipIf(!jws)('JWS with HS256 (skipped without the file json_web_signature_test.json)', () => {
    const found = jws?.testGroups
      .filter((group) => group.private?.alg === 'HS256' && group.tests.length > 0)
      .flatMap((group) =>
        group.tests
          .filter(({ tcId }) => !impossible.includes(tcId))
          .map(({ tcId, jws: token, result }) => ({
            tcId,
            right: macHolds(token, Buffer.from(group.private?.k ?? '', 'base64url')) === (result === 'valid'),
          })),
      );
    expect(found?.filter(({ right }) => !right)).toEqual([]);
    expect(found).toHaveLength(36);
  });

  function macHolds(token: string, key: Buffer): boolean {
    try {
      const compact = readCompact(token);
      return compact.header.alg === 'HS256' && hmacSha256(key, compact);
    } catch (error) {
      expect(error).toBeInstanceOf(TokenFlaw);
      return false;
    }
  }
});

test('jwt-ok-09 RFC 8037, appendix A.4, holds and is no access token', async () => {
  const text =
    'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg';
  const token = readCompact(text);
  const key = Buffer.from('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', 'base64url');
  expect(token.payload.toString()).toBe('Example of Ed25519 signing');
  expect(keyFlaw(key)).toBeUndefined();
  expect(verifyStrictly(keyFrom(key), token.signed, token.signature)).toBe(true);
  expect(keyBytesOf(keyFrom(key))).toEqual(key);
  const trusted = await trustedForTests();
  const machines = trusted.machines.map((issuer) => ({
    ...issuer,
    keys: [{ key: keyFrom(key), kid: 'A.4', thumbprint: 'A.4' }],
  }));
  expect(() => tokenVerifier({ ...trusted, machines }).verify(text)).toThrow('the token is not accepted');
});

describe('where implementations differ (Chalkias, Garillot, Nikolaenko: Taming the many EdDSAs, 2020)', () => {
  const lowest = 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa';
  const mixed = 'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43';
  const other = 'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d';
  const large = '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623';
  const negative = `ec${'ff'.repeat(31)}`;
  const both =
    'a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04';
  const rows = [
    [
      '8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6',
      lowest,
      `c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a${'00'.repeat(32)}`,
    ],
    [
      '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
      lowest,
      `${mixed}a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04`,
    ],
    [
      'aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab',
      mixed,
      `${lowest}8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e`,
    ],
    [
      '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
      other,
      '9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009',
    ],
    [
      'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
      other,
      '160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09',
    ],
    [
      'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
      other,
      '21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405',
    ],
    [
      '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
      large,
      'e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514',
    ],
    [
      '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
      large,
      '8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22',
    ],
    [
      '9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41',
      mixed,
      `ec${'ff'.repeat(31)}ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908`,
    ],
    [
      'fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a',
      mixed,
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607',
    ],
    ['e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b', negative, both],
    ['39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f', negative, both],
  ] as const;

  test.each(rows.map((row, number) => [number, ...row] as const))(
    'jwt-sig-08 case %i is accepted only where all agree',
    (number, message, key, signature) => {
      expect(holds(hex(key), hex(message), hex(signature))).toBe(number === 3);
    },
  );
});

describe('jwt-key-01 jwt-key-04 a key that is none', () => {
  const lowOrder = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    `ec${'ff'.repeat(30)}7f`,
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
    'ff'.repeat(32),
  ];
  const withSign = lowOrder.map(
    (text) => `${text.slice(0, -2)}${(Number.parseInt(text.slice(-2), 16) | 0x80).toString(16)}`,
  );
  test.each([...lowOrder, ...withSign])('%s is of low order, or has another spelling', (text) => {
    expect(keyFlaw(hex(text))).toMatch(/low order|canonical/);
  });

  test('half of all numbers are no point, and none of the other half is refused', () => {
    const found = Array.from({ length: 200 }, (_, n) =>
      keyFlaw(hex(`${(n + 2).toString(16).padStart(4, '0')}${'5a'.repeat(29)}00`)),
    );
    const flaws = found.filter((flaw) => flaw !== undefined);
    expect(new Set(flaws)).toEqual(new Set(['it is not the canonical encoding of a point of the curve']));
    expect(flaws.length).toBeGreaterThan(60);
    expect(flaws.length).toBeLessThan(140);
  });
});
