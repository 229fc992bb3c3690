import type { Answer } from '@osa/core/api';
import { covers } from '@osa/core/auth/scope';

/** Why a server would refuse a token, found out from what it publishes. */

export type Trusted = Answer<'listIssuers'>;

/** What is known of a token without verifying it. */
export interface TokenFacts {
  readonly issuer: string | undefined;
  readonly audience: readonly string[];
  readonly scopes: readonly string[];
  /** What its key is known by: the thumbprint where we sign, else the `kid` that it names. */
  readonly thumbprint: string | undefined;
  readonly kid: string | undefined;
  /** Seconds since 1970, by the clock of who signed. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number | undefined;
}

export interface Clocks {
  /** Milliseconds since 1970, before the server was asked and after. */
  readonly asked: number;
  readonly answered: number;
}

export const checks = ['clock', 'issuer', 'key', 'audience', 'lifetime', 'scope'] as const;

export interface Finding {
  readonly check: (typeof checks)[number];
  readonly ok: boolean;
  readonly detail: string;
  /** What to do; null where nothing has to be done. */
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
  const first = [clockFinding(offset, trusted), issuerFinding(facts, trusted)];
  if (!issuer) return first;
  return [
    ...first,
    keyFinding(facts, issuer),
    audienceFinding(facts, issuer),
    lifetimeFinding(facts, trusted, clocks.answered / 1_000 + offset),
    ...scopeFindings(facts, issuer, wanted),
  ];
}

type Issuer = Trusted['issuers'][number];

const fine = (check: Finding['check'], detail: string): Finding => ({ check, ok: true, detail, hint: null });
const wrong = (check: Finding['check'], detail: string, hint: string): Finding => ({
  check,
  ok: false,
  detail,
  hint,
});

function clockFinding(offset: number, { clock_skew_seconds: most }: Trusted): Finding {
  const size = Math.round(Math.abs(offset));
  if (Math.abs(offset) <= most) return fine('clock', `within ${Math.max(1, size)} s of the server's`);
  const detail = `this clock is ${span(size)} ${offset > 0 ? 'behind' : 'ahead of'} the server's; ${most} s are allowed`;
  return wrong('clock', detail, 'set the clock of this machine, or of the server');
}

function issuerFinding({ issuer }: TokenFacts, { issuers }: Trusted): Finding {
  if (issuer === undefined)
    return wrong('issuer', 'the token names no issuer', 'a machine token needs `iss`');
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
    if (keys.some((key) => key.thumbprint === thumbprint)) return fine('key', thumbprint);
    return wrong('key', `the server does not know the key ${thumbprint} for ${issuer}`, hint);
  }
  if (keys.length === 1) return fine('key', 'the issuer has one, which the signature must be of');
  if (keys.some((key) => key.kid === kid)) return fine('key', `kid ${kid}`);
  const known = keys.map((key) => key.kid).join(', ');
  return wrong('key', `the issuer has several keys, and none has the kid ${kid ?? '(none)'}: ${known}`, hint);
}

function audienceFinding({ audience }: TokenFacts, issuer: Issuer): Finding {
  if (audience.includes(issuer.audience)) return fine('audience', issuer.audience);
  const detail = `the token is for ${audience.join(', ') || 'nobody'}, the server takes ${issuer.audience}`;
  return wrong('audience', detail, `set OSA_AUDIENCE=${issuer.audience}`);
}

function lifetimeFinding({ issuedAt, expiresAt }: TokenFacts, trusted: Trusted, now: number): Finding {
  if (issuedAt === undefined || expiresAt === undefined) {
    return wrong(
      'lifetime',
      'the token does not say when it was issued and when it ends',
      'it needs `iat` and `exp`',
    );
  }
  const { clock_skew_seconds: skew, max_token_seconds: most } = trusted;
  const lifetime = expiresAt - issuedAt;
  if (lifetime > most) {
    return wrong(
      'lifetime',
      `the token lives for ${span(lifetime)}, ${span(most)} are allowed`,
      'make one that ends earlier',
    );
  }
  if (expiresAt + skew <= now)
    return wrong('lifetime', `the token ended ${span(now - expiresAt)} ago`, 'make another one');
  return fine('lifetime', `${span(lifetime)}`);
}

function scopeFindings(
  { scopes }: TokenFacts,
  { issuer, scopes: bounds }: Issuer,
  wanted: readonly string[],
): Finding[] {
  return wanted.map((scope) => {
    if (!scopes.some((own) => covers(own, scope))) {
      return wrong('scope', `the token does not carry ${scope}`, 'make one that does: osa token --scope …');
    }
    if (bounds === null || bounds.some((bound) => covers(bound, scope))) return fine('scope', scope);
    const detail = `the server lets tokens of ${issuer} carry no more than ${bounds.join(', ')}; ${scope} is not among it`;
    return wrong('scope', detail, 'widen `scopes` of the issuer in the settings of the daemon');
  });
}

/** `12 s`, `10 minutes`, `3 hours`. */
function span(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  return whole < 7_200 ? `${Math.round(whole / 60)} minutes` : `${Math.round(whole / 3_600)} hours`;
}
