import { randomUUID } from 'node:crypto';
import type { Answer } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import type { AskedFor, Store } from '../../store.ts';
import { TokenFlaw } from '../compact.ts';
import { type IdToken, type IdTokenChecks, SignedFlaw, verifyIdToken } from '../id-token.ts';
import { type SigningKey, signToken } from '../sign-token.ts';
import { jobOf, mismatch, type Publisher } from './publisher.ts';

/** How tokens of the daemon's own issuer are made. */
export interface OwnIssuer {
  readonly issuer: string;
  /** The audience of our tokens, and of the ID tokens that are taken for them. */
  readonly audience: string;
  readonly key: SigningKey;
  readonly lifetimeSeconds: number;
}

export interface ExchangeParts {
  readonly own: OwnIssuer;
  readonly keys: IdTokenChecks['keys'];
  readonly skewSeconds: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Takes an ID token of a CI job, once, for a token of our own with the scopes of the rules that the job meets.
 *
 * @throws OsaError `invalid_token`, `access_denied` (no rule is for this job), `busy` (the provider's keys cannot be had)
 */
export async function exchange(
  store: Store,
  parts: ExchangeParts,
  { token, request }: { readonly token: string; readonly request: AskedFor },
): Promise<Answer<'exchangeToken'>> {
  const { own } = parts;
  const idToken = await verified(store, parts, token);
  const rules = (await store.publishers.of(idToken.issuer)).filter(
    (rule) => mismatch(rule, idToken.claims) === undefined,
  );
  const [first, ...others] = rules;
  if (!first) throw await unmatched(store, idToken);
  const scopes = [...new Set(rules.flatMap((rule) => rule.scopes))].sort();
  const subject = subjectOf(idToken);
  const id = randomUUID();
  const claims = { provider: idToken.issuer, subject: idToken.subject, ...jobOf(idToken.claims) };
  const principal = { issuer: own.issuer, subject, scopes: new Set<string>() };
  await store.write({ principal, request }, async ({ publishers, event }) => {
    const isFirst = await publishers.exchange({
      id,
      publisher: first.id,
      others: others.map((rule) => rule.id),
      proof: idToken.proof,
      claims,
    });
    if (!isFirst) throw refused(new SignedFlaw('it was taken before; ask the provider for another one'));
    await event('token.exchanged', { exchange: id, publisher: first.id, scopes, ...claims });
    return {};
  });
  const expiresAt = Math.floor(parts.now() / 1_000) + own.lifetimeSeconds;
  const { issuer, audience, lifetimeSeconds } = own;
  return {
    token: await signToken(own.key, { issuer, audience, subject, scopes, lifetimeSeconds, id }),
    expires_at: new Date(expiresAt * 1_000).toISOString(),
    issuer,
    subject,
    scopes,
    publishers: rules.map((rule) => rule.id),
  };
}

async function verified(
  store: Store,
  { own, keys, skewSeconds, now }: ExchangeParts,
  token: string,
): Promise<IdToken> {
  try {
    return await verifyIdToken(token, {
      audience: own.audience,
      isKnown: async (issuer) => (await store.publishers.of(issuer)).length > 0,
      ...{ keys, skewSeconds, now: now() / 1_000 },
    });
  } catch (cause) {
    throw cause instanceof TokenFlaw ? refused(cause) : cause;
  }
}

/** Names a flaw only of a token that the provider did sign. */
function refused(cause: TokenFlaw): OsaError {
  const why = cause instanceof SignedFlaw ? `: ${cause.message}` : '';
  return new OsaError('invalid_token', `the ID token is not accepted${why}`, { cause });
}

/** The provider with the subject, since two providers may use the same one. @throws OsaError `invalid_token` */
function subjectOf({ issuer, subject }: IdToken): string {
  const text = `${issuer.replace(/^https?:\/\//, '')}#${subject}`;
  if (Buffer.byteLength(text) <= 255) return text;
  throw refused(new SignedFlaw('its sub is too long'));
}

/** Shows the wanted value to jobs of the rule's own repository only; to others the names of claims, and what their token has. */
async function unmatched(store: Store, { issuer, claims, subject }: IdToken): Promise<OsaError> {
  const rules = await store.publishers.of(issuer);
  const near = rules.find((rule) => isNear(rule, claims));
  const claim = near && mismatch(near, claims);
  const hint =
    near && claim !== undefined
      ? `publisher ${near.id} wants ${claim} ${JSON.stringify(near.claims[claim])}, and ${whatTokenHas(claims, claim)}`
      : `no publisher names its repository (${differing(rules, claims)}); add one with osa publishers add`;
  return new OsaError(
    'access_denied',
    `no trusted publisher is for the job ${JSON.stringify(subject)}: ${hint}`,
    {
      details: { issuer, subject },
    },
  );
}

const mostNamed = 3;

/** The first claims that rules want otherwise, without what they want. */
function differing(rules: readonly Publisher[], claims: IdToken['claims']): string {
  const names = [...new Set(rules.flatMap((rule) => mismatch(rule, claims) ?? []))].slice(0, mostNamed);
  return names.map((name) => `publishers want another ${name}, and ${whatTokenHas(claims, name)}`).join('; ');
}

function whatTokenHas(claims: IdToken['claims'], name: string): string {
  return Object.hasOwn(claims, name)
    ? `the job has ${JSON.stringify(claims[name])}`
    : 'the token has no such claim';
}

/** Whether a rule is for the same repository or project. */
function isNear({ claims: wanted }: Publisher, claims: IdToken['claims']): boolean {
  return ['repository', 'project_path'].some(
    (name) => wanted[name] !== undefined && wanted[name] === claims[name],
  );
}
