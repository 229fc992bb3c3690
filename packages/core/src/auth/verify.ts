import { createHash } from 'node:crypto';
import { OsaError } from '../error.ts';
import type { JsonValue } from '../json/parse.ts';
import {
  type CompactToken,
  hmacSha256,
  type JsonObject,
  readCompact,
  readObject,
  TokenFlaw,
} from './compact.ts';
import { verifyStrictly } from './ed25519.ts';
import {
  type MachineIssuer,
  type MachineKey,
  primaryAudience,
  primaryIssuer,
  type TrustedIssuers,
} from './issuer.ts';
import { covers } from './scope.ts';

/** What a verified token says. */
export interface VerifiedToken {
  readonly kind: 'machine' | 'person';
  readonly issuer: string;
  readonly subject: string;
  /** Of a machine; a person's rights are roles, and not in the token. */
  readonly scopes: ReadonlySet<string>;
  readonly tokenId: string | undefined;
  /** Its own `exp`, in seconds since 1970; it is accepted for the clock skew longer. */
  readonly expiresAt: number;
}

export interface Verifier {
  /** Whom it trusts now. */
  readonly trusted: TrustedIssuers;
  /** From now on only these; what others signed is refused at once. */
  trust(issuers: TrustedIssuers): void;
  /**
   * @throws OsaError `invalid_token`, with one message whatever was wrong, but for an expired token; its cause is a
   * `TokenFlaw` that says more, for the log
   */
  verify(token: string): VerifiedToken;
}

/** Both names of the algorithm: of RFC 8037 and of RFC 9864. */
const machineAlgorithms = ['EdDSA', 'Ed25519'];
/** Verified tokens that are remembered. */
const cacheSize = 10_000;

/**
 * Verifies tokens: the issuer that an unverified token names verifies it, and no other does. A token without `iss` is
 * a person's. `now` gives milliseconds since 1970.
 */
export function tokenVerifier(first: TrustedIssuers, now: () => number = Date.now): Verifier {
  let trusted = first;
  const known = new Map<string, VerifiedToken>();
  return {
    get trusted() {
      return trusted;
    },
    trust(issuers) {
      trusted = issuers;
      known.clear();
    },
    verify(token) {
      const seconds = now() / 1_000;
      const print = createHash('sha256').update(token).digest('base64');
      const before = known.get(print);
      if (before && !isOver(before, trusted, seconds)) return before;
      try {
        const verified = verifyToken(readCompact(token), trusted, seconds);
        if (known.size >= cacheSize) known.clear();
        known.set(print, verified);
        return verified;
      } catch (cause) {
        if (!(cause instanceof TokenFlaw)) throw cause;
        const message = cause.isExpired ? 'the token has expired' : 'the token is not accepted';
        throw new OsaError('invalid_token', message, { cause });
      }
    },
  };
}

function isOver(
  { expiresAt }: Pick<VerifiedToken, 'expiresAt'>,
  trusted: TrustedIssuers,
  now: number,
): boolean {
  return expiresAt + trusted.clockSkewSeconds <= now;
}

function verifyToken(token: CompactToken, trusted: TrustedIssuers, now: number): VerifiedToken {
  const claims = readObject(token.payload, 'payload');
  if (!Object.hasOwn(claims, 'iss')) return verifyPerson(token, claims, trusted, now);
  const issuer = trusted.machines.find((machine) => machine.issuer === claims.iss);
  if (!issuer) throw new TokenFlaw('its issuer is not trusted');
  return verifyMachine(token, claims, { issuer, trusted, now });
}

function verifyMachine(
  token: CompactToken,
  claims: JsonObject,
  { issuer, trusted, now }: { issuer: MachineIssuer; trusted: TrustedIssuers; now: number },
): VerifiedToken {
  if (!machineAlgorithms.includes(token.header.alg)) throw new TokenFlaw('its alg is not EdDSA');
  const { key } = pickKey(issuer, token.header.kid);
  if (!verifyStrictly(key, token.signed, token.signature)) throw new TokenFlaw('its signature does not hold');
  requireAudience(claims.aud, issuer.audience);
  const subject = text(claims.sub, 'sub');
  const scopes = scopesOf(claims, issuer.scopeClaim);
  const issuedAt = instant(claims.iat, 'iat');
  const expiresAt = instant(claims.exp, 'exp');
  if (expiresAt - issuedAt > trusted.maxLifetimeSeconds) throw new TokenFlaw('it lives too long');
  requireTimes(claims, { issuedAt, expiresAt, now, trusted });
  return {
    kind: 'machine',
    issuer: issuer.issuer,
    subject,
    scopes: withinBounds(scopes, issuer.scopes),
    tokenId: tokenIdOf(claims),
    expiresAt,
  };
}

function verifyPerson(
  token: CompactToken,
  claims: JsonObject,
  trusted: TrustedIssuers,
  now: number,
): VerifiedToken {
  const { primary } = trusted;
  if (!primary) throw new TokenFlaw('it names no issuer');
  if (token.header.alg !== 'HS256') throw new TokenFlaw('its alg is not HS256');
  if (!hmacSha256(primary.secret, token)) throw new TokenFlaw('its signature does not hold');
  requireAudience(claims.aud, primaryAudience);
  const subject = text(claims.sub, 'sub').toLowerCase();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(subject)) throw new TokenFlaw('its sub is no uuid');
  const expiresAt = instant(claims.exp, 'exp');
  const issuedAt = claims.iat === undefined ? undefined : instant(claims.iat, 'iat');
  requireTimes(claims, { issuedAt, expiresAt, now, trusted });
  const tokenId = tokenIdOf(claims);
  return { kind: 'person', issuer: primaryIssuer, subject, scopes: new Set(), tokenId, expiresAt };
}

/** With one key it must be that; with several the `kid` chooses among them, and nothing else is ever looked up. */
function pickKey({ keys }: MachineIssuer, kid: string | undefined): MachineKey {
  const [only, ...others] = keys;
  const picked = others.length === 0 ? only : keys.find((key) => key.kid === kid);
  if (!picked) throw new TokenFlaw('no key of its issuer has its kid');
  return picked;
}

function requireAudience(claim: JsonValue | undefined, audience: string): void {
  const named = Array.isArray(claim) ? claim : [claim];
  if (!named.every((name) => typeof name === 'string'))
    throw new TokenFlaw('its aud is neither text nor texts');
  if (!named.includes(audience)) throw new TokenFlaw('it is for another audience');
}

/** As it was sent, at most 255 bytes; nothing that would be misread in a log. */
function text(claim: JsonValue | undefined, name: string): string {
  const isText = typeof claim === 'string' && claim.trim() !== '' && Buffer.byteLength(claim) <= 255;
  if (isText && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(claim)) return claim;
  throw new TokenFlaw(`its ${name} is not a text of 1 to 255 bytes`);
}

function tokenIdOf({ jti }: JsonObject): string | undefined {
  return jti === undefined ? undefined : text(jti, 'jti');
}

/** The last second of the year 9999, beyond which no time can be written as RFC 3339. */
const lastInstant = 253_402_300_799;

/** NumericDate (RFC 7519, section 2), its fraction dropped; milliseconds are none. */
function instant(claim: JsonValue | undefined, name: string): number {
  if (typeof claim === 'number' && claim > 0 && claim <= lastInstant) return Math.floor(claim);
  throw new TokenFlaw(`its ${name} is no time`);
}

function requireTimes(
  { nbf }: JsonObject,
  times: { issuedAt: number | undefined; expiresAt: number; now: number; trusted: TrustedIssuers },
): void {
  const { issuedAt = 0, expiresAt, now, trusted } = times;
  const skew = trusted.clockSkewSeconds;
  if (issuedAt > now + skew) throw new TokenFlaw('it was issued in the future');
  if (nbf !== undefined && instant(nbf, 'nbf') > now + skew) throw new TokenFlaw('it is not valid yet');
  if (isOver({ expiresAt }, trusted, now)) throw new TokenFlaw('it has expired', { isExpired: true });
}

/** Items of a text are parted by U+0020 and nothing else; those of an array are taken as they are. */
function scopesOf(claims: JsonObject, claim: string): Set<string> {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : '';
  if (typeof value === 'string') return new Set(value.split(' ').filter((item) => item !== ''));
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return new Set(value);
  throw new TokenFlaw('its scopes are neither a text nor texts');
}

/** What both the token and the issuer's bounds grant. */
function withinBounds(
  scopes: ReadonlySet<string>,
  bounds: readonly string[] | undefined,
): ReadonlySet<string> {
  if (!bounds) return scopes;
  const within = [...scopes].flatMap((scope) =>
    bounds.flatMap((bound) => (covers(bound, scope) ? [scope] : covers(scope, bound) ? [bound] : [])),
  );
  return new Set(within);
}
