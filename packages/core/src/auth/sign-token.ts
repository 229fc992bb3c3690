import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose';
import { OsaError } from '../error.ts';
import { parseExactJson } from '../json/exact.ts';
import { parseJson } from '../json/parse.ts';
import { keyBytesOf, keyFlaw } from './ed25519.ts';
import type { MachineKey } from './issuer.ts';
import type { Profile } from './profile.ts';

/** Machine tokens and the keys that sign them: short-lived JWTs, Ed25519. `verify.ts` is the other side. */

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

/**
 * The public keys of a text: PEM, a JWK or a JWK set. `source` names where the text came from, for the error.
 *
 * @throws OsaError `credentials`, also for a private key where a public one belongs, and for one that no signature
 * should be trusted with
 */
export async function readPublicKeys(text: string, source: string): Promise<MachineKey[]> {
  const members = jwkSet(text) ?? text.trim().split(/(?<=-----END [A-Z ]+-----)\s+/);
  if (members.length === 0) throw new OsaError('credentials', `${source}: the set holds no key`);
  const keys = await Promise.all(members.map((member) => publicKey(member, source)));
  const twin = keys.find(({ kid }, index) => keys.findIndex((other) => other.kid === kid) < index);
  if (twin) throw new OsaError('credentials', `${source}: two keys have the kid ${JSON.stringify(twin.kid)}`);
  return keys;
}

async function publicKey(member: string | object, source: string): Promise<MachineKey> {
  const text = typeof member === 'string' ? member : JSON.stringify(member);
  const key = parseKey(text, source, (input) => createPublicKey(input));
  // A private key holds the public one, so it can be read as that.
  if (isPrivate(text)) {
    throw new OsaError('credentials', `${source}: this is a private key; give the daemon the public one`);
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new OsaError('credentials', `${source}: the key is ${key.asymmetricKeyType}, it must be Ed25519`);
  }
  const flaw = keyFlaw(keyBytesOf(key));
  if (flaw !== undefined) throw new OsaError('credentials', `${source}: the key cannot be trusted: ${flaw}`);
  const thumbprint = await calculateJwkThumbprint(key.export({ format: 'jwk' }) as JWK);
  return { key, thumbprint, kid: ownKid(text) ?? thumbprint };
}

/** The `kid` of a JWK that has one; the text has been read as a key. */
function ownKid(text: string): string | undefined {
  const kid = asJwk(text)?.kid;
  return typeof kid === 'string' && kid !== '' ? kid : undefined;
}

/** The members of a JWK set (RFC 7517, section 5); undefined for what is none. */
function jwkSet(text: string): object[] | undefined {
  try {
    const value: unknown = parseJson(text.trim());
    const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined;
    return Array.isArray(keys) ? keys : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a text that has been read as a key is a private one. However a JWK spells the name of its private part, it is
 * parsed here.
 */
function isPrivate(text: string): boolean {
  const jwk = asJwk(text);
  return jwk ? Object.hasOwn(jwk, 'd') : text.includes('PRIVATE KEY');
}

/** The members of a JWK; undefined for PEM. The text has been read as a key. */
function asJwk(text: string): Readonly<Record<string, unknown>> | undefined {
  const trimmed = text.trim();
  return trimmed.startsWith('{') ? (parseExactJson(trimmed) as Record<string, unknown>) : undefined;
}

type KeyInput = Parameters<typeof createPrivateKey>[0] & Parameters<typeof createPublicKey>[0];

/** One block, with nothing before, behind or within it that a reader might skip. */
const onePem = /^-----BEGIN ([A-Z ]+)-----\s[A-Za-z0-9+/=\s]+-----END \1-----$/;

function parseKey(text: string, source: string, read: (input: KeyInput) => KeyObject): KeyObject {
  try {
    const trimmed = text.trim();
    // Strictly, so that no name stands twice.
    if (trimmed.startsWith('{')) return read({ key: parseJson(trimmed), format: 'jwk' } as never);
    if (!onePem.test(trimmed)) throw new TypeError('not one PEM block');
    return read({ key: trimmed, format: 'pem' } as KeyInput);
  } catch (cause) {
    // The cause of a JSON error quotes the text, and the text is a secret.
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new OsaError(
      'credentials',
      `${source}: not one PEM or JWK key and nothing else (${code}); make one with \`osa keys generate\``,
    );
  }
}
