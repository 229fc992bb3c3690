import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { JWK } from 'jose';
import type { JsonValue } from '../json/value.ts';
import { type CompactToken, type JsonObject, readCompact, readObject, TokenFlaw } from './compact.ts';

/**
 * ID tokens of CI's OpenID providers. They are read as strictly as tokens of our own: RS256 or ES256, by a key that the
 * provider publishes, for this archive alone. They open nothing; they are taken, once, for a token of our own.
 */

export interface IdToken {
  readonly issuer: string;
  readonly subject: string;
  readonly claims: JsonObject;
  /** SHA-256, hex, of what was signed. */
  readonly proof: string;
}

export interface ProviderKey {
  readonly kid: string | undefined;
  readonly alg: 'RS256' | 'ES256';
  readonly key: KeyObject;
}

export interface IdTokenChecks {
  /** The `aud` that it must have. */
  readonly audience: string;
  /** Whether a rule names the issuer; others are not asked for keys. */
  isKnown(issuer: string): Promise<boolean>;
  /** The keys of an issuer; asked again where none has the `kid`. */
  keys(issuer: string, kid: string | undefined): Promise<readonly ProviderKey[]>;
  /** Seconds since 1970. */
  readonly now: number;
  readonly skewSeconds: number;
}

/** A flaw of a token that its provider did sign: its bearer may be told. */
export class SignedFlaw extends TokenFlaw {}

const longestLifetimeSeconds = 86_400;
/** Names a certificate of the key; GitHub sends it. It is not read. */
const tolerated = ['x5t', 'x5t#S256'];

/** @throws TokenFlaw, and what `keys` throws */
export async function verifyIdToken(text: string, checks: IdTokenChecks): Promise<IdToken> {
  const token = readCompact(text, tolerated);
  const { alg, kid, isAccessToken } = token.header;
  if (isAccessToken) throw new TokenFlaw('its typ is that of an access token');
  if (alg !== 'RS256' && alg !== 'ES256') throw new TokenFlaw('its alg is neither RS256 nor ES256');
  const claims = readObject(token.payload, 'payload');
  const issuer = shortText(claims.iss, 'iss', 1_000);
  if (!(await checks.isKnown(issuer))) throw new TokenFlaw('its issuer is not a trusted publisher');
  const keys = await checks.keys(issuer, kid);
  requireSignature(token, pick(keys, alg, kid), alg);
  requireClaims(claims, checks);
  const subject = shortText(claims.sub, 'sub', 255);
  return { issuer, subject, claims, proof: createHash('sha256').update(token.signed).digest('hex') };
}

function pick(keys: readonly ProviderKey[], alg: ProviderKey['alg'], kid: string | undefined): KeyObject {
  const fit = keys.filter((key) => key.alg === alg && (kid === undefined || key.kid === kid));
  const [only, ...others] = fit;
  if (!only || others.length > 0) throw new TokenFlaw('no single key of its issuer has its kid and alg');
  return only.key;
}

function requireSignature(
  { signed, signature }: CompactToken,
  key: KeyObject,
  alg: ProviderKey['alg'],
): void {
  const holds =
    alg === 'RS256'
      ? verify('sha256', signed, key, signature)
      : signature.length === 64 && verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (!holds) throw new TokenFlaw('its signature does not hold');
}

function requireClaims(claims: JsonObject, { audience, now, skewSeconds }: IdTokenChecks): void {
  const { aud } = claims;
  const [only, ...others] = Array.isArray(aud) ? aud : [aud];
  if (only !== audience || others.length > 0) {
    throw new SignedFlaw(`it is for another audience than ${audience}`);
  }
  const [issuedAt, expiresAt] = [instant(claims.iat, 'iat'), instant(claims.exp, 'exp')];
  if (issuedAt > now + skewSeconds) throw new SignedFlaw('it was issued in the future');
  if (claims.nbf !== undefined && instant(claims.nbf, 'nbf') > now + skewSeconds) {
    throw new SignedFlaw('it is not valid yet');
  }
  if (expiresAt + skewSeconds <= now) throw new SignedFlaw('it has expired', { isExpired: true });
  if (expiresAt <= issuedAt || expiresAt - issuedAt > longestLifetimeSeconds) {
    throw new SignedFlaw('it lives longer than a day, or ends before it begins');
  }
}

function instant(claim: JsonValue | undefined, name: string): number {
  if (typeof claim === 'number' && claim > 0 && claim <= 253_402_300_799) return Math.floor(claim);
  throw new SignedFlaw(`its ${name} is not a time`);
}

function shortText(claim: JsonValue | undefined, name: string, most: number): string {
  const isShort = typeof claim === 'string' && claim.trim() !== '' && Buffer.byteLength(claim) <= most;
  if (isShort && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(claim)) return claim;
  throw new TokenFlaw(`its ${name} is not a text of 1 to ${most} bytes`);
}

/** The keys of a JWK set (RFC 7517) that may verify; the others are left out. */
export function providerKeys(set: JsonObject): ProviderKey[] {
  const { keys } = set;
  if (!Array.isArray(keys)) return [];
  return keys.slice(0, mostKeys).flatMap((jwk) => {
    const key = isObject(jwk) ? readKey(jwk) : undefined;
    return key ? [key] : [];
  });
}

const mostKeys = 100;

function readKey(jwk: JsonObject): ProviderKey | undefined {
  const { kty, kid, use, alg, key_ops: operations } = jwk;
  const own = kty === 'RSA' ? 'RS256' : kty === 'EC' && jwk.crv === 'P-256' ? 'ES256' : undefined;
  const isForSigning = use === undefined || use === 'sig';
  const mayVerify = operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
  if (own === undefined || !isForSigning || !mayVerify || (alg !== undefined && alg !== own) || 'd' in jwk) {
    return undefined;
  }
  try {
    const key = createPublicKey({ key: jwk as JWK, format: 'jwk' });
    const { modulusLength = 2_048, publicExponent = 65_537n } = key.asymmetricKeyDetails ?? {};
    if (modulusLength < 2_048 || modulusLength > 8_192 || publicExponent < 65_537n) return undefined;
    return { kid: typeof kid === 'string' ? kid : undefined, alg: own, key };
  } catch {
    // A point off the curve, or a member that is not a number: a key that nobody can use.
    return undefined;
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
