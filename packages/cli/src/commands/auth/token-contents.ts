import { OsaError } from '@osa/core/error';
import type { Server, Sources } from '../../config/config.ts';
import { type Identity, noKey, resolveCredential } from '../../config/credential.ts';
import { loadKey, longestToken } from '../../config/key.ts';
import { scopeClaim, type TokenFacts } from './diagnosis.ts';

/**
 * The facts of the tokens that are signed here, without making one; with `OSA_TOKEN`, the facts of that token.
 *
 * @throws OsaError `credentials` when there is no token and no key, or they cannot be read
 */
export async function tokenFacts(
  sources: Sources,
  server: Server,
  wanted: readonly string[],
): Promise<{ readonly from: string; readonly facts: TokenFacts }> {
  const credential = resolveCredential(sources, server);
  if (!credential) throw noKey(sources);
  if (credential.kind === 'job') {
    throw new OsaError(
      'credentials',
      'this job has no key: its ID token is taken to the server, which says what is wrong; try: osa token',
    );
  }
  if (credential.kind === 'login') {
    throw new OsaError(
      'credentials',
      'you are logged in and have no key to check; osa auth whoami shows who you are',
    );
  }
  if (credential.kind === 'token') return { from: 'OSA_TOKEN', facts: await factsOf(credential.token) };
  const { identity } = credential;
  return { from: identity.key.name, facts: await factsOfKey(identity, wanted) };
}

async function factsOfKey(identity: Identity, scopes: readonly string[]): Promise<TokenFacts> {
  const { kid, thumbprint } = await loadKey(identity.key);
  const issuedAt = Math.floor(Date.now() / 1_000);
  const { issuer, audience } = identity;
  return {
    kind: 'machine',
    isSignedHere: true,
    issuer,
    audience: [audience],
    claims: new Map([[scopeClaim, scopes]]),
    thumbprint,
    kid,
    issuedAt,
    expiresAt: issuedAt + longestToken,
    notBefore: undefined,
  };
}

async function factsOf(token: string): Promise<TokenFacts> {
  const { readCompact, readObject, TokenFlaw } = await import('@osa/core/auth/compact');
  try {
    const { header, payload } = readCompact(token);
    const claims = readObject(payload, 'payload');
    const { iss, aud, iat, exp, nbf } = claims;
    return {
      kind: iss === undefined && header.alg === 'HS256' ? 'person' : 'machine',
      isSignedHere: false,
      issuer: typeof iss === 'string' ? iss : undefined,
      audience: texts([aud].flat()),
      claims: new Map(
        Object.entries(claims).map(([name, value]) => [
          name,
          typeof value === 'string' ? value.split(' ') : texts([value].flat()),
        ]),
      ),
      thumbprint: undefined,
      kid: header.kid,
      issuedAt: instant(iat),
      expiresAt: instant(exp),
      notBefore: instant(nbf),
    };
  } catch (cause) {
    if (!(cause instanceof TokenFlaw)) throw cause;
    throw new OsaError('credentials', `OSA_TOKEN cannot be accepted anywhere: ${cause.message}`);
  }
}

function instant(value: unknown): number | undefined {
  return typeof value === 'number' ? Math.floor(value) : undefined;
}

function texts(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}
