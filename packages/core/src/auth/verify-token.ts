import { createHash } from 'node:crypto';
import { OsaError } from '../error.ts';
import type { JsonValue } from '../json/value.ts';
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
import type { Profile } from './profile.ts';
import { covers } from './scope.ts';

/** The content of a verified token. */
export interface VerifiedToken {
  readonly kind: 'machine' | 'person';
  readonly issuer: string;
  readonly subject: string;
  /** Empty for a person, whose rights are roles and not in the token. */
  readonly scopes: ReadonlySet<string>;
  readonly tokenId: string | undefined;
  /** The person as their token describes them; for display only. */
  readonly profile?: Profile;
  /** Set for a person who has logged in here: the token counts as long as the session of its `tokenId`. */
  readonly isLogin?: true;
  /** Its `exp`, in seconds since 1970. It is accepted for the clock skew longer. */
  readonly expiresAt: number;
}

export interface Verifier {
  /** The issuers that are trusted now. */
  readonly trusted: TrustedIssuers;
  /** Replaces the trusted issuers; tokens of all others are refused at once. */
  trust(issuers: TrustedIssuers): void;
  /**
   * @throws OsaError `invalid_token`, with the same message for every flaw except an expired token; its cause is a
   * `TokenFlaw` with the details, for the log
   */
  verify(token: string): VerifiedToken;
}

/** The names of the algorithm in RFC 8037 and in RFC 9864. */
const machineAlgorithms = ['EdDSA', 'Ed25519'];
/** The most verified tokens that are cached. */
const cacheSize = 10_000;

/**
 * Verifies tokens with the keys of the issuer that they name, and no others. A token without `iss` is a person's.
 * `now` gives milliseconds since 1970.
 */
export function tokenVerifier(first: TrustedIssuers, now: () => number = Date.now): Verifier {
  let trusted = first;
  const known = new Map<string, VerifiedToken>();
  /** Tokens that were seen to be over: they stay so when the clock goes back. */
  const over = new Set<string>();
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
      if (before && !over.has(print) && !isOver(before, trusted, seconds)) return before;
      try {
        if (over.has(print)) throw new TokenFlaw('it has expired', { isExpired: true });
        const verified = verifyToken(readCompact(token), trusted, seconds);
        if (known.size >= cacheSize) known.clear();
        known.set(print, verified);
        return verified;
      } catch (cause) {
        if (!(cause instanceof TokenFlaw)) throw cause;
        if (cause.isExpired) {
          known.delete(print);
          if (over.size >= cacheSize) over.clear();
          over.add(print);
        }
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
  const { people } = trusted;
  if (people !== undefined && claims.iss === people.issuer) {
    return verifyLogin(token, claims, { issuer: people, trusted, now });
  }
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

/** A token that we gave to a person; it is as strict as a machine's, and the person is an actor like any other. */
function verifyLogin(
  token: CompactToken,
  claims: JsonObject,
  parts: { issuer: MachineIssuer; trusted: TrustedIssuers; now: number },
): VerifiedToken {
  const { tokenId, expiresAt, subject } = verifyMachine(token, claims, parts);
  const profile = profileOf(claims);
  return {
    ...{ kind: 'person', issuer: primaryIssuer, subject: uuidOf(subject), scopes: new Set<string>() },
    ...{ tokenId, expiresAt, profile, isLogin: true },
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
  const subject = uuidOf(text(claims.sub, 'sub'));
  const expiresAt = instant(claims.exp, 'exp');
  const issuedAt = claims.iat === undefined ? undefined : instant(claims.iat, 'iat');
  requireTimes(claims, { issuedAt, expiresAt, now, trusted });
  const tokenId = tokenIdOf(claims);
  const profile = profileOf(claims);
  return { kind: 'person', issuer: primaryIssuer, subject, scopes: new Set(), tokenId, expiresAt, profile };
}

function uuidOf(subject: string): string {
  const uuid = subject.toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return uuid;
  throw new TokenFlaw('its sub is not a uuid');
}

/** A single key is used whatever the `kid`; among several, the `kid` chooses. Keys are never fetched. */
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

/** A claim of at most 255 bytes, without characters that could be misread in a log. */
function isText(claim: JsonValue | undefined): claim is string {
  const isShort = typeof claim === 'string' && claim.trim() !== '' && Buffer.byteLength(claim) <= 255;
  return isShort && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(claim);
}

function text(claim: JsonValue | undefined, name: string): string {
  if (isText(claim)) return claim;
  throw new TokenFlaw(`its ${name} is not a text of 1 to 255 bytes`);
}

/** These claims give no rights, so one that cannot be shown is left out rather than refused. */
function profileOf({ name, provider, external_id }: JsonObject): Profile {
  const shown = (claim: JsonValue | undefined) => (isText(claim) ? claim : undefined);
  return { name: shown(name), provider: shown(provider), externalId: shown(external_id) };
}

function tokenIdOf({ jti }: JsonObject): string | undefined {
  return jti === undefined ? undefined : text(jti, 'jti');
}

/** The last second of the year 9999; RFC 3339 cannot express later times. */
const lastInstant = 253_402_300_799;

/** NumericDate (RFC 7519, section 2) without its fraction. A time in milliseconds is refused. */
function instant(claim: JsonValue | undefined, name: string): number {
  if (typeof claim === 'number' && claim > 0 && claim <= lastInstant) return Math.floor(claim);
  throw new TokenFlaw(`its ${name} is not a time`);
}

function requireTimes(
  { nbf }: JsonObject,
  times: { issuedAt: number | undefined; expiresAt: number; now: number; trusted: TrustedIssuers },
): void {
  const { issuedAt = 0, expiresAt, now, trusted } = times;
  const skew = trusted.clockSkewSeconds;
  if (issuedAt > now + skew) throw new TokenFlaw('it was issued in the future');
  if (issuedAt > expiresAt) throw new TokenFlaw('it was issued after its own end');
  if (nbf !== undefined && instant(nbf, 'nbf') > now + skew) throw new TokenFlaw('it is not valid yet');
  if (isOver({ expiresAt }, trusted, now)) throw new TokenFlaw('it has expired', { isExpired: true });
}

/** In a text, only U+0020 separates scopes; items of an array are used unchanged. */
function scopesOf(claims: JsonObject, claim: string): Set<string> {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : '';
  if (typeof value === 'string') return new Set(value.split(' ').filter((item) => item !== ''));
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return new Set(value);
  throw new TokenFlaw('its scopes are neither a text nor texts');
}

/** The scopes that both the token and the issuer's bounds grant. */
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
