import { createSign, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An OpenID provider of a CI on loopback: discovery, keys, and ID tokens as GitHub and GitLab sign them. */
export interface OpenIdProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly rsa: KeyObject;
  readonly ec: KeyObject;
  /** Requests for its keys. */
  readonly asked: () => number;
  /** The key set that it publishes from now on, as JSON text; undefined for status 500. */
  publish(text: string | undefined): void;
  /** Makes another RSA key, and publishes it beside the others. */
  rotate(): { readonly kid: string; readonly key: KeyObject };
  /** Claims of a job, good for `audience`. */
  claims(audience: string, changes?: object): Record<string, unknown>;
  /** An RS256 token of these claims. */
  token(claims: object, header?: object, key?: KeyObject): string;
  jwks(): { readonly keys: object[] };
}

export async function openIdProvider(): Promise<OpenIdProvider> {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys: object[] = [
    { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa-1', use: 'sig', alg: 'RS256' },
    { ...ec.publicKey.export({ format: 'jwk' }), kid: 'ec-1', use: 'sig', alg: 'ES256' },
  ];
  let published: string | undefined = JSON.stringify({ keys });
  let asked = 0;
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const issuer = `http://127.0.0.1:${port}`;
    if (request.url === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
      return;
    }
    asked += 1;
    if (published === undefined) response.statusCode = 500;
    response.end(published);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    rsa: rsa.privateKey,
    ec: ec.privateKey,
    asked: () => asked,
    publish: (text) => {
      published = text;
    },
    rotate() {
      const next = generateKeyPairSync('rsa', { modulusLength: 2_048 });
      keys.push({ ...next.publicKey.export({ format: 'jwk' }), kid: 'rsa-2', use: 'sig', alg: 'RS256' });
      published = JSON.stringify({ keys });
      return { kid: 'rsa-2', key: next.privateKey };
    },
    jwks: () => ({ keys }),
    claims: (audience, changes = {}) => jobClaims(issuer, audience, changes),
    token: (claims, header = {}, key = rsa.privateKey) =>
      compact({ alg: 'RS256', typ: 'JWT', kid: 'rsa-1', x5t: 'abc', ...header }, claims, key),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function jobClaims(issuer: string, audience: string, changes: object): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1_000);
  return {
    iss: issuer,
    aud: audience,
    sub: 'repo:acme/quakes:ref:refs/heads/main',
    jti: crypto.randomUUID(),
    iat: now,
    nbf: now - 5,
    exp: now + 300,
    repository: 'acme/quakes',
    ref: 'refs/heads/main',
    sha: '7514fa1dc7bdff47c7850d2611e3535a2dcfcd9c',
    workflow_ref: 'acme/quakes/.github/workflows/deploy.yml@refs/heads/main',
    run_id: '4711',
    run_attempt: '1',
    actor: 'ann',
    ...changes,
  };
}

export function compact(header: object, claims: object | string, key: KeyObject): string {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims);
  const signed = `${encoded(JSON.stringify(header))}.${encoded(text)}`;
  return `${signed}.${signatureOf(header, signed, key)}`;
}

export function encoded(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function signatureOf(header: object, signed: string, key: KeyObject): string {
  const isEc = key.asymmetricKeyType === 'ec';
  if (isEc)
    return sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  if (key.asymmetricKeyType === 'ed25519') return sign(null, Buffer.from(signed), key).toString('base64url');
  const hash = 'alg' in header && header.alg === 'RS512' ? 'sha512' : 'sha256';
  return createSign(hash).update(signed).sign(key).toString('base64url');
}
