import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import {
  calculateJwkThumbprint,
  decodeJwt,
  errors,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import { OsaError } from '../error.ts';
import type { Principal } from './principal.ts';

/**
 * Machine tokens: short-lived JWTs signed with Ed25519. Both names of the algorithm are accepted (`EdDSA` of
 * RFC 8037 and `Ed25519` of RFC 9864), no other.
 */

const algorithms = ['EdDSA', 'Ed25519'];

export interface SigningKey {
  readonly key: KeyObject;
  /** The thumbprint of the public key (RFC 7638). */
  readonly kid: string;
  readonly publicJwk: JWK;
}

export interface TokenRequest {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly lifetimeSeconds: number;
}

export interface TrustedIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** Ed25519 public keys. A token's `kid` picks one where several are configured. */
  readonly keys: readonly { readonly key: KeyObject; readonly kid: string }[];
}

export interface Verifier {
  /** @throws OsaError `invalid_token`, with the same message whatever was wrong but for an expired token. */
  verify(token: string): Promise<Principal>;
}

export async function signToken(signingKey: SigningKey, request: TokenRequest): Promise<string> {
  return new SignJWT({ scope: request.scopes.join(' ') })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: signingKey.kid })
    .setIssuer(request.issuer)
    .setSubject(request.subject)
    .setAudience(request.audience)
    .setIssuedAt()
    .setExpirationTime(`${request.lifetimeSeconds}s`)
    .setJti(crypto.randomUUID())
    .sign(signingKey.key);
}

/**
 * A private key from PEM (PKCS #8) or JWK text. `source` names where the text came from, for the error.
 *
 * @throws OsaError `credentials`; the message never holds any of the text.
 */
export async function readPrivateKey(text: string, source: string): Promise<SigningKey> {
  const key = parseKey(text, source, (input) => createPrivateKey(input));
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new OsaError(
      'credentials',
      `${source}: the key is ${key.asymmetricKeyType}, it must be Ed25519; make one with \`osa keys generate\``,
    );
  }
  const publicJwk = createPublicKey(key).export({ format: 'jwk' }) as JWK;
  return { key, publicJwk, kid: await calculateJwkThumbprint(publicJwk) };
}

/** @throws OsaError `credentials`, also for a private key where a public one belongs. */
export async function readPublicKey(text: string, source: string): Promise<{ key: KeyObject; kid: string }> {
  if (isPrivate(text)) {
    throw new OsaError('credentials', `${source}: this is a private key; give the daemon the public one`);
  }
  const key = parseKey(text, source, (input) => createPublicKey(input));
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new OsaError('credentials', `${source}: the key is ${key.asymmetricKeyType}, it must be Ed25519`);
  }
  return { key, kid: await calculateJwkThumbprint(key.export({ format: 'jwk' }) as JWK) };
}

/** Verifies tokens of `issuers`: signature, `iss`, `aud`, `sub`, `exp`, `iat`, lifetime. */
export function tokenVerifier(
  issuers: readonly TrustedIssuer[],
  options: { readonly clockSkewSeconds: number; readonly maxLifetimeSeconds: number },
): Verifier {
  const byIssuer = new Map(issuers.map((entry) => [entry.issuer, entry]));
  return {
    async verify(token) {
      try {
        const trusted = byIssuer.get(decodeJwt(token).iss ?? '');
        if (!trusted) throw new errors.JWTClaimValidationFailed('the issuer is not trusted', {}, 'iss');
        return await verifyWith(trusted, token, options);
      } catch (cause) {
        if (!(cause instanceof errors.JOSEError)) throw cause;
        const expired = cause instanceof errors.JWTExpired;
        throw new OsaError('invalid_token', expired ? 'the token has expired' : 'the token is not accepted', {
          cause,
        });
      }
    },
  };
}

async function verifyWith(
  trusted: TrustedIssuer,
  token: string,
  options: { readonly clockSkewSeconds: number; readonly maxLifetimeSeconds: number },
): Promise<Principal> {
  const { payload } = await jwtVerify(token, (header) => pickKey(trusted, header.kid), {
    algorithms,
    issuer: trusted.issuer,
    audience: trusted.audience,
    clockTolerance: options.clockSkewSeconds,
    requiredClaims: ['sub', 'exp', 'iat'],
  });
  const { sub, iat, exp, scope } = payload;
  if (typeof sub !== 'string' || sub === '')
    throw new errors.JWTClaimValidationFailed('sub is missing', payload, 'sub');
  if (typeof iat !== 'number' || typeof exp !== 'number' || exp - iat > options.maxLifetimeSeconds) {
    throw new errors.JWTClaimValidationFailed('the token lives too long', payload, 'exp');
  }
  if (iat > Date.now() / 1000 + options.clockSkewSeconds) {
    throw new errors.JWTClaimValidationFailed('iat lies in the future', payload, 'iat');
  }
  return { issuer: trusted.issuer, subject: sub, scopes: readScopes(scope, payload) };
}

function pickKey(trusted: TrustedIssuer, kid: string | undefined): KeyObject {
  const [only, ...others] = trusted.keys;
  const picked = others.length === 0 ? only : trusted.keys.find((entry) => entry.kid === kid);
  if (!picked) throw new errors.JWSSignatureVerificationFailed('no key of the issuer has this kid');
  return picked.key;
}

function readScopes(scope: unknown, payload: JWTPayload): ReadonlySet<string> {
  if (scope === undefined) return new Set();
  if (typeof scope === 'string') return new Set(scope.split(' ').filter((item) => item !== ''));
  if (Array.isArray(scope) && scope.every((item) => typeof item === 'string')) return new Set(scope);
  throw new errors.JWTClaimValidationFailed('scope is neither text nor a list of texts', payload, 'scope');
}

function isPrivate(text: string): boolean {
  return text.includes('PRIVATE KEY') || /"d"\s*:/.test(text);
}

type KeyInput = Parameters<typeof createPrivateKey>[0] & Parameters<typeof createPublicKey>[0];

function parseKey(text: string, source: string, read: (input: KeyInput) => KeyObject): KeyObject {
  try {
    const trimmed = text.trim();
    if (trimmed.startsWith('{')) return read({ key: JSON.parse(trimmed), format: 'jwk' } as KeyInput);
    return read({ key: trimmed, format: 'pem' } as KeyInput);
  } catch (cause) {
    // The cause of a JSON error quotes the text, and the text is a secret.
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new OsaError(
      'credentials',
      `${source}: not a PEM or JWK key (${code}); make one with \`osa keys generate\``,
    );
  }
}
