import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose';
import { OsaError } from '../error.ts';
import { ownKid, parseKey } from './key-text.ts';
import type { Profile } from './profile.ts';

/** Machine tokens and the keys that sign them: short-lived JWTs, Ed25519. `verify-token.ts` is the other side. */

export interface SigningKey {
  readonly key: KeyObject;
  /** The thumbprint of the public key (RFC 7638). */
  readonly thumbprint: string;
  /** The id that tokens use: the JWK's own `kid`, or else the thumbprint. */
  readonly kid: string;
  readonly publicJwk: JWK;
}

export interface TokenRequest {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly lifetimeSeconds: number;
  /** In seconds since 1970; now by default. */
  readonly issuedAt?: number;
  /** The `jti`; a random one by default. */
  readonly id?: string;
  /** A person's name, for display. */
  readonly profile?: Profile;
}

export async function signToken(signingKey: SigningKey, request: TokenRequest): Promise<string> {
  const { name, provider, externalId: external_id } = request.profile ?? {};
  const shown = {
    ...(name !== undefined && { name }),
    ...(provider !== undefined && { provider, external_id }),
  };
  // One look at the clock, so that the token lives exactly as long as was asked for.
  const issuedAt = request.issuedAt ?? Math.floor(Date.now() / 1_000);
  return new SignJWT({ scope: request.scopes.join(' '), ...shown })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: signingKey.kid })
    .setIssuer(request.issuer)
    .setSubject(request.subject)
    .setAudience(request.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + request.lifetimeSeconds)
    .setJti(request.id ?? crypto.randomUUID())
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
  const thumbprint = await calculateJwkThumbprint(publicJwk);
  return { key, publicJwk, thumbprint, kid: ownKid(text) ?? thumbprint };
}
