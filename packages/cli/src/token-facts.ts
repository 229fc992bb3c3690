import { OsaError } from '@osa/core/error';
import { type Identity, resolveCredential, type Server, type Sources } from './config.ts';
import type { TokenFacts } from './diagnosis.ts';
import { loadKey, longestToken } from './key.ts';

/**
 * What the tokens of this place say, without making one; of `OSA_TOKEN`, what it says itself.
 *
 * @throws OsaError `credentials` when there is no token and no key, or they cannot be read
 */
export async function tokenFacts(
  sources: Sources,
  server: Server,
  wanted: readonly string[],
): Promise<{ readonly from: string; readonly facts: TokenFacts }> {
  const credential = resolveCredential(sources, server);
  if (!credential) {
    throw new OsaError(
      'credentials',
      'there is no key for this server: make one with `osa keys generate`, or set OSA_KEY',
    );
  }
  if (credential.kind === 'token') return { from: 'OSA_TOKEN', facts: await factsOf(credential.token) };
  const { identity } = credential;
  return { from: identity.key.name, facts: await factsOfKey(identity, wanted) };
}

async function factsOfKey(identity: Identity, scopes: readonly string[]): Promise<TokenFacts> {
  const { kid } = await loadKey(identity.key);
  const issuedAt = Math.floor(Date.now() / 1_000);
  const { issuer, audience } = identity;
  return {
    issuer,
    audience: [audience],
    scopes,
    thumbprint: kid,
    kid,
    issuedAt,
    expiresAt: issuedAt + longestToken,
  };
}

async function factsOf(token: string): Promise<TokenFacts> {
  const { readCompact, readObject, TokenFlaw } = await import('@osa/core/auth/compact');
  try {
    const { header, payload } = readCompact(token);
    const { iss, aud, scope, iat, exp } = readObject(payload, 'payload');
    return {
      issuer: typeof iss === 'string' ? iss : undefined,
      audience: texts([aud].flat()),
      scopes: typeof scope === 'string' ? scope.split(' ') : texts([scope].flat()),
      thumbprint: undefined,
      kid: header.kid,
      issuedAt: typeof iat === 'number' ? iat : undefined,
      expiresAt: typeof exp === 'number' ? exp : undefined,
    };
  } catch (cause) {
    if (!(cause instanceof TokenFlaw)) throw cause;
    throw new OsaError('credentials', `OSA_TOKEN cannot be accepted anywhere: ${cause.message}`);
  }
}

function texts(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}
