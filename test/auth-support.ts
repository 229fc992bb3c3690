import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import { readPublicKeys } from '@osa/core/auth/token';
import type { DaemonConfig } from '@osa/daemon/config';
import { type Received, type TestDaemon, testDaemon } from './daemon-support.ts';

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
/** Of `machine`. */
export const ours = ed25519();
/** Of `rotating`, with their kids. */
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

/** A daemon that trusts these issuers, and how it takes a token. */
export interface AuthDaemon {
  readonly daemon: TestDaemon;
  /** Asks who the token's bearer is. */
  whoami(authorization: string): Promise<Received>;
  /** Asks for what takes `hooks:write` on `probe`. */
  write(authorization: string, hook?: string): Promise<Received>;
}

export async function authDaemon(
  failedAuthentications = 100_000,
  changes: Partial<DaemonConfig> = {},
): Promise<AuthDaemon> {
  const trusted = await trustedForTests();
  const daemon = await testDaemon({ trusted, http: { failedAuthentications }, ...changes });
  return {
    daemon,
    whoami: (authorization) => daemon.send('GET', '/api/v1/auth/me', { headers: { authorization } }),
    write: (authorization, hook = 'probe') =>
      daemon.send('POST', `/api/v1/hooks/${hook}/resume`, {
        headers: { authorization, 'content-type': 'application/json' },
        body: '{}',
      }),
  };
}
