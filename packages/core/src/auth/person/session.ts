import { randomBytes, randomUUID } from 'node:crypto';
import type { Answer } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import { sha256 } from '../../hook/release.ts';
import { type SigningKey, signToken } from '../sign-token.ts';
import {
  isPerson,
  type LoginState,
  type NextToken,
  type People,
  type Person,
  type SessionFlaw,
} from './people.ts';

/** How the tokens of people who have logged in are made. */
export interface PeopleIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly key: SigningKey;
  /** The life of an access token. */
  readonly lifetimeSeconds: number;
}

export interface SessionParts {
  readonly people: People;
  readonly issuer: PeopleIssuer;
  /** Between two questions for the tokens of a login. */
  readonly intervalSeconds: number;
}

/** A refresh token that nobody uses ends after a week, a session after a month. */
const refreshSeconds = 7 * 86_400;
const sessionSeconds = 30 * 86_400;

type Tokens = Answer<'refreshLogin'>;

/**
 * Takes the tokens of a login, once it is allowed.
 *
 * @throws OsaError `login_incomplete`, with the `error` of RFC 8628 in its details
 */
export async function takeLogin(parts: SessionParts, deviceCode: string): Promise<Tokens> {
  const { next, refreshToken } = freshToken();
  const { intervalSeconds } = parts;
  const polling = { ...next, intervalSeconds, sessionSeconds };
  const found = await parts.people.take(sha256(deviceCode), polling);
  if (isPerson(found)) return tokensOf(parts, found, { id: next.id, refreshToken });
  throw new OsaError('login_incomplete', loginStates[found], { details: { error: found } });
}

/**
 * Takes a refresh token for new tokens. Its second use shows that it was copied, so it ends the session: the holder of
 * the newer one, thief or owner, has to log in again.
 *
 * @throws OsaError `invalid_token`, with the flaw in its details
 */
export async function refreshLogin(parts: SessionParts, refreshToken: string): Promise<Tokens> {
  const fresh = freshToken();
  const found = await parts.people.rotate(sha256(refreshToken), fresh.next);
  if (isPerson(found)) return tokensOf(parts, found, { id: fresh.next.id, refreshToken: fresh.refreshToken });
  throw new OsaError('invalid_token', `${sessionFlaws[found]}; log in again`, { details: { error: found } });
}

function freshToken(): { readonly next: NextToken; readonly refreshToken: string } {
  const refreshToken = randomBytes(32).toString('base64url');
  const next = { id: randomUUID(), hash: sha256(refreshToken), lifetimeSeconds: refreshSeconds };
  return { next, refreshToken };
}

async function tokensOf(
  { issuer }: SessionParts,
  person: Person,
  { id, refreshToken }: { readonly id: string; readonly refreshToken: string },
): Promise<Tokens> {
  const lifetimeSeconds = Math.max(1, Math.min(issuer.lifetimeSeconds, person.secondsLeft));
  const access = await signToken(issuer.key, {
    ...{
      issuer: issuer.issuer,
      audience: issuer.audience,
      subject: person.id,
      scopes: [],
      lifetimeSeconds,
      id,
    },
    profile: {
      name: person.name ?? undefined,
      provider: providerName(person.issuer),
      externalId: person.subject,
    },
  });
  return {
    access_token: access,
    refresh_token: refreshToken,
    token_type: 'Bearer',
    expires_in: lifetimeSeconds,
  };
}

/** Clients of the existing archive know ORCID by this name. Others are named by their host. */
export function providerName(issuer: string): string {
  const { host } = new URL(issuer);
  return host === 'orcid.org' || host === 'sandbox.orcid.org' ? 'orcid' : host;
}

const loginStates: Readonly<Record<LoginState, string>> = {
  authorization_pending: 'nobody has answered in the browser yet; ask again after the interval',
  slow_down: 'you ask too often; wait five seconds longer between two questions',
  expired_token: 'nobody has answered in time; begin the login again',
  access_denied: 'the person refused; begin again if that was a mistake',
  device_not_found: 'device_code: no login has it; begin one with POST /api/v1/auth/device',
  device_consumed: 'device_code: its tokens were taken before; begin another login',
};

const sessionFlaws: Readonly<Record<SessionFlaw, string>> = {
  invalid_refresh_token: 'refresh_token: it is not known',
  token_family_revoked:
    'refresh_token: its login has ended, by a logout or because an old token was used a second time',
  refresh_token_expired: 'refresh_token: it has expired',
};
