import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import { readPublicKeys } from '@osa/core/auth/public-keys';

/** Tokens as anybody could make them: nothing here checks anything. */

export const machine = 'https://machines.example';
/** An issuer with two keys. */
export const rotating = 'https://rotating.example';
export const audience = 'https://archive.example';
export const secret = Buffer.from('a primary secret that is long enough, 0123456789');
export const skewSeconds = 30;

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export const ed25519 = (): KeyPair => generateKeyPairSync('ed25519');
/** The key of `machine`. */
export const ours = ed25519();
/** The keys of `rotating`, with their kids. */
export const rotated = { first: ed25519(), second: ed25519() };
export const attacker = ed25519();

export const pemOf = ({ publicKey }: KeyPair): string =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString();
export const now = (): number => Math.floor(Date.now() / 1_000);

export const base64url = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64url');
export const json = (value: unknown): string => JSON.stringify(value);

export type Claims = Readonly<Record<string, unknown>>;

/** The claims of a good machine token. */
export function claims(changes: Claims = {}): Claims {
  const time = now();
  return {
    iss: machine,
    aud: audience,
    sub: 'ci',
    scope: 'hooks:write',
    iat: time,
    exp: time + 60,
    ...changes,
  };
}

/** The claims of a good token of a person. */
export function personClaims(user: string, changes: Claims = {}): Claims {
  const time = now();
  const base = {
    sub: user,
    provider: 'orcid',
    external_id: '0000-0001',
    aud: 'authenticated',
    jti: 'a'.repeat(32),
  };
  return { ...base, iat: time, exp: time + 3_600, ...changes };
}

/** Both parts as text or bytes, so that they may be anything, and signed as `alg` says or by `signer`. */
export function forge(
  header: string | object,
  payload: string | Uint8Array | object,
  signer: (signed: string) => Uint8Array = edDsa(ours),
): string {
  const first = base64url(typeof header === 'string' ? header : json(header));
  const isRaw = typeof payload === 'string' || payload instanceof Uint8Array;
  const second = base64url(isRaw ? payload : json(payload));
  const signed = `${first}.${second}`;
  return `${signed}.${base64url(signer(signed))}`;
}

export const edDsa =
  ({ privateKey }: KeyPair) =>
  (signed: string) =>
    sign(null, Buffer.from(signed), privateKey);
export const hmac =
  (key: string | Uint8Array, hash = 'sha256') =>
  (signed: string) =>
    createHmac(hash, key).update(signed).digest();
export const nothing = () => new Uint8Array();

export const header = { alg: 'EdDSA' };
export const good = (changes: Claims = {}): string => forge(header, claims(changes));
export const person = (user: string, changes: Claims = {}): string =>
  forge({ alg: 'HS256', typ: 'JWT' }, personClaims(user, changes), hmac(secret));

/** A good token whose parts are what `change` makes of them, signed after that: no signature stands in for a check. */
export function spelled(change: (first: string, second: string) => readonly [string, string]): string {
  const signed = change(base64url(json(header)), base64url(json(claims()))).join('.');
  return `${signed}.${base64url(edDsa(ours)(signed))}`;
}

/** The three parts of a good token. */
export const parts = (token = good()): [string, string, string] =>
  token.split('.') as [string, string, string];
/** The good claims as text, with more of it at the end. */
export const rawClaims = (more: string, changes: Claims = {}): string =>
  `${json(claims(changes)).slice(0, -1)}${more}}`;
/** A good token without one claim. */
export function without(name: string): string {
  const { [name]: _, ...rest } = claims();
  return forge(header, rest);
}

export async function trustedForTests(): Promise<TrustedIssuers> {
  const jwks = {
    keys: Object.entries(rotated).map(([kid, { publicKey }]) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
    })),
  };
  const base = { audience, scopeClaim: 'scope', scopes: undefined };
  return {
    machines: [
      { ...base, issuer: machine, keys: await readPublicKeys(pemOf(ours), 'a key for tests') },
      { ...base, issuer: rotating, keys: await readPublicKeys(json(jwks), 'keys for tests') },
    ],
    primary: { secret },
    clockSkewSeconds: skewSeconds,
    maxLifetimeSeconds: 3_600,
  };
}
