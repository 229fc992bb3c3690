import type { Answer } from '@osa/core/api';
import { covers } from '@osa/core/auth/scope';

/** Finds out why a server would refuse a token, from the settings that it publishes. */

export type Trusted = Answer<'listIssuers'>;

/** Facts of a token that need no verification. */
export interface TokenFacts {
  /** A person's token names no issuer. */
  readonly kind: 'machine' | 'person';
  /** Whether it is signed here for each request, by the clock of this machine. */
  readonly isSignedHere: boolean;
  readonly issuer: string | undefined;
  readonly audience: readonly string[];
  /** The texts of its claims by name; the issuer's settings say which one holds the scopes. */
  readonly claims: ReadonlyMap<string, readonly string[]>;
  /** Identifies its key: the thumbprint where we sign, else the `kid` that it names. */
  readonly thumbprint: string | undefined;
  readonly kid: string | undefined;
  /** Seconds since 1970, by the clock of who signed. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
}

/** Where tokens that are signed here have their scopes. */
export const scopeClaim = 'scope';

export interface Clocks {
  /** Milliseconds since 1970, before the server was asked and after. */
  readonly asked: number;
  readonly answered: number;
}

export const checks = ['clock', 'issuer', 'key', 'audience', 'lifetime', 'scope', 'server'] as const;

export interface Finding {
  readonly check: (typeof checks)[number];
  readonly ok: boolean;
  readonly detail: string;
  /** How to mend it; null where nothing is wrong. */
  readonly hint: string | null;
}

/** Seconds that the server's clock is ahead of ours. */
export function clockOffset({ now }: Trusted, { asked, answered }: Clocks): number {
  return (Date.parse(now) - (asked + answered) / 2) / 1_000;
}

/** One finding for each check, in their order; what depends on an unknown issuer is left out. */
export function diagnose(
  facts: TokenFacts,
  trusted: Trusted,
  { clocks, wanted }: { readonly clocks: Clocks; readonly wanted: readonly string[] },
): Finding[] {
  const offset = clockOffset(trusted, clocks);
  const issuer = trusted.issuers.find((known) => known.issuer === facts.issuer);
  const now = clocks.answered / 1_000 + offset;
  const first = [clockFinding(offset, facts, trusted), issuerFinding(facts, trusted)];
  if (facts.kind === 'person') return [...first, lifetimeFinding(facts, trusted, now)];
  if (!issuer) return first;
  return [
    ...first,
    keyFinding(facts, issuer),
    audienceFinding(facts, issuer),
    lifetimeFinding(facts, trusted, now),
    ...scopeFindings(facts, issuer, wanted),
  ];
}

type Issuer = Trusted['issuers'][number];

export const fine = (check: Finding['check'], detail: string, hint: string | null = null): Finding => ({
  check,
  ok: true,
  detail,
  hint,
});
export const wrong = (check: Finding['check'], detail: string, hint: string): Finding => ({
  check,
  ok: false,
  detail,
  hint,
});

/**
 * A clock that is ahead issues tokens in the future. One that is behind issues tokens that expire early, or at once. A
 * token from elsewhere has no need of this clock.
 */
function clockFinding(
  offset: number,
  { isSignedHere, issuedAt = 0, expiresAt = 0 }: TokenFacts,
  { clock_skew_seconds: skew }: Trusted,
): Finding {
  const size = Math.abs(offset);
  if (size <= skew) return fine('clock', `within ${Math.max(1, Math.round(size))} s of the server's`);
  const detail = `this clock is ${span(size)} ${offset > 0 ? 'behind' : 'ahead of'} the server's`;
  const hint = 'set the clock of this machine, or of the server';
  if (!isSignedHere) return fine('clock', `${detail}; this token does not depend on it`, hint);
  if (offset < 0) return wrong('clock', `${detail}; ${skew} s are allowed`, hint);
  const left = expiresAt - issuedAt + skew - offset;
  if (left <= 0) return wrong('clock', `${detail}; tokens expire before they are sent`, hint);
  return fine('clock', `${detail}; tokens are valid for ${span(left)} only`, hint);
}

function issuerFinding({ kind, issuer }: TokenFacts, { issuers }: Trusted): Finding {
  if (kind === 'person')
    return fine('issuer', 'none: this is the token of a person, which the server checks');
  if (issuer === undefined)
    return wrong('issuer', 'the token names no issuer', 'a machine token needs the claim `iss`');
  if (issuers.some((known) => known.issuer === issuer)) return fine('issuer', issuer);
  const names = issuers.map((known) => known.issuer).join(', ') || 'none';
  const detail = `${issuer} is not trusted by the server; it trusts ${names}`;
  return wrong(
    'issuer',
    detail,
    'set OSA_ISSUER to one of them, or have the daemon trust this one: osa keys show',
  );
}

function keyFinding({ thumbprint, kid }: TokenFacts, { issuer, keys }: Issuer): Finding {
  const hint = `have the daemon trust this key for ${issuer}: osa keys show`;
  if (thumbprint !== undefined) {
    const known = keys.find((key) => key.thumbprint === thumbprint);
    if (known && (keys.length === 1 || known.kid === kid)) return fine('key', thumbprint);
    if (known) {
      const detail = `the server knows the key ${thumbprint} by the kid ${known.kid}, but tokens name it ${kid}`;
      return wrong('key', detail, 'give both halves of the key the same `kid`, or none');
    }
    return wrong('key', `the server does not know the key ${thumbprint} for ${issuer}`, hint);
  }
  if (keys.length === 1) return fine('key', 'the issuer has one key, which must have signed the token');
  if (keys.some((key) => key.kid === kid)) return fine('key', `kid ${kid}`);
  const known = keys.map((key) => key.kid).join(', ');
  return wrong(
    'key',
    `the issuer has several keys, and none of them (${known}) has the kid ${kid ?? '(none)'}`,
    hint,
  );
}

function audienceFinding({ audience }: TokenFacts, issuer: Issuer): Finding {
  if (audience.includes(issuer.audience)) return fine('audience', issuer.audience);
  const detail = `the token is for ${audience.join(', ') || 'nobody'}, but the server accepts ${issuer.audience}`;
  return wrong('audience', detail, `set OSA_AUDIENCE=${issuer.audience}`);
}

function lifetimeFinding(facts: TokenFacts, trusted: Trusted, now: number): Finding {
  const { kind, isSignedHere, issuedAt, expiresAt, notBefore } = facts;
  const isUndated = issuedAt === undefined && kind === 'machine';
  if (expiresAt === undefined || isUndated) {
    const needed = kind === 'machine' ? '`iat` and `exp`' : '`exp`';
    return wrong('lifetime', 'the token does not say when it begins and ends', `it needs ${needed}`);
  }
  const { clock_skew_seconds: skew, max_token_seconds: most } = trusted;
  const lifetime = expiresAt - (issuedAt ?? expiresAt);
  if (kind === 'machine' && lifetime > most) {
    const detail = `the token lives for ${span(lifetime)}; at most ${span(most)} are allowed`;
    return wrong('lifetime', detail, 'make one that ends earlier');
  }
  if (isSignedHere) return fine('lifetime', span(lifetime));
  if (expiresAt + skew <= now)
    return wrong('lifetime', `the token expired ${span(now - expiresAt)} ago`, 'make another one');
  const start = Math.max(issuedAt ?? 0, notBefore ?? 0);
  if (start <= now + skew) return fine('lifetime', `valid for ${span(expiresAt + skew - now)}`);
  const detail = `the token begins in ${span(start - now)}, by the server's clock`;
  return wrong('lifetime', detail, 'set the clock of the machine that made it');
}

function scopeFindings(facts: TokenFacts, issuer: Issuer, wanted: readonly string[]): Finding[] {
  const { issuer: name, scope_claim: claim, scopes: bounds } = issuer;
  const carried = facts.claims.get(claim) ?? [];
  if (facts.isSignedHere && claim !== scopeClaim) {
    const detail = `the server reads scopes from the claim ${claim}, but tokens signed here have them in ${scopeClaim}`;
    return [
      wrong('scope', detail, `set \`scope_claim\` of ${name} to ${scopeClaim} in the settings of the daemon`),
    ];
  }
  return wanted.map((scope) => {
    if (!carried.some((own) => covers(own, scope))) {
      return wrong('scope', `the token does not carry ${scope} in its claim ${claim}`, 'make one that does');
    }
    if (bounds === null || bounds.some((bound) => covers(bound, scope))) return fine('scope', scope);
    const detail = `the server allows tokens of ${name} only ${bounds.join(', ') || 'nothing'}, not ${scope}`;
    return wrong('scope', detail, 'widen `scopes` of the issuer in the settings of the daemon');
  });
}

/** `12 s`, `10 minutes`, `3 hours`. */
function span(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  return whole < 7_200 ? `${Math.round(whole / 60)} minutes` : `${Math.round(whole / 3_600)} hours`;
}
