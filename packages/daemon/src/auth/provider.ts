import type { BrowserSecrets } from '@osa/core/auth/person/login';
import type { Identity } from '@osa/core/auth/person/people';
import { isLoopback } from '@osa/core/auth/publisher/publisher';
import { OsaError } from '@osa/core/error';
import * as openid from 'openid-client';
import type { Logger } from 'pino';
import type { LoginConfig } from '../config/login.ts';

/** The OpenID provider at which people say who they are. */
export interface LoginProvider {
  /** Asks it for its description, unless it gave one a moment ago. @throws OsaError `busy` when it cannot be reached */
  check(): Promise<void>;
  /** The page of the provider that a browser is sent to. @throws OsaError `busy` when the provider cannot be reached */
  pageFor(secrets: BrowserSecrets): Promise<URL>;
  /**
   * Finds the person who answered, by the parameters that the browser came back with.
   *
   * @throws OsaError `busy`, `invalid_token` for an answer that is not right or not for us, `login_incomplete` where
   * the person or the provider refused
   */
  identify(parameters: URLSearchParams, secrets: BrowserSecrets): Promise<Identity>;
}

/** The time after which the provider's description of itself is read again, and before a login begins. */
const freshMs = 600_000;
const momentMs = 10_000;
const timeoutSeconds = 5;
const mostBytes = 256 * 1024;

export function loginProvider(
  { issuer, clientId, clientSecret, callback }: LoginConfig,
  log: Logger,
): LoginProvider {
  let kept: { readonly configuration: openid.Configuration; readonly at: number } | undefined;
  let discovering: Promise<openid.Configuration> | undefined;
  const configured = async (mostMs = freshMs): Promise<openid.Configuration> => {
    if (kept && performance.now() - kept.at < mostMs) return kept.configuration;
    discovering ??= discovered().finally(() => {
      discovering = undefined;
    });
    return discovering;
  };
  const discovered = async (): Promise<openid.Configuration> => {
    const url = new URL(issuer);
    const answer = openid.discovery(url, clientId, clientSecret, undefined, {
      timeout: timeoutSeconds,
      // The ID token comes by TLS from the provider itself; its signature is checked all the same.
      execute: [
        openid.enableNonRepudiationChecks,
        ...(isLoopback(url) ? [openid.allowInsecureRequests] : []),
      ],
      [openid.customFetch]: boundedFetch,
    });
    const configuration = await answer.catch((cause: unknown) => {
      throw new ProviderAway('it cannot be discovered', { cause });
    });
    kept = { configuration, at: performance.now() };
    return configuration;
  };
  const asking = async <T>(
    work: (configuration: openid.Configuration) => Promise<T>,
    mostMs?: number,
  ): Promise<T> => {
    try {
      return await work(await configured(mostMs));
    } catch (cause) {
      const flaw = flawOf(cause, new URL(issuer).host);
      if (flaw.code !== 'login_incomplete') log.warn({ err: cause, issuer }, 'a login fails at the provider');
      throw flaw;
    }
  };
  return {
    check: () => asking(async () => undefined, momentMs),
    pageFor: (secrets) =>
      asking(async (configuration) =>
        openid.buildAuthorizationUrl(configuration, {
          redirect_uri: callback,
          scope: scopesOf(configuration),
          state: secrets.state,
          nonce: secrets.nonce,
          code_challenge: await openid.calculatePKCECodeChallenge(secrets.verifier),
          code_challenge_method: 'S256',
        }),
      ),
    identify: (parameters, secrets) =>
      asking(async (configuration) => {
        const answer = await openid.authorizationCodeGrant(
          configuration,
          new URL(`${callback}?${parameters}`),
          {
            pkceCodeVerifier: secrets.verifier,
            expectedState: secrets.state,
            expectedNonce: secrets.nonce,
            idTokenExpected: true,
          },
        );
        const identity = identityOf(answer.claims(), issuer);
        if (identity.name !== undefined || answer.access_token === undefined) return identity;
        // Some providers name the person elsewhere. Without a name it goes on.
        const asked = openid.fetchUserInfo(configuration, answer.access_token, identity.subject);
        const more = await asked.catch((err: unknown) => {
          log.info({ err, issuer }, 'the provider does not tell the name of a person');
          return undefined;
        });
        return { ...identity, name: more && nameOf(more) };
      }),
  };
}

/** The name is asked for where the provider says that it knows the scope. */
function scopesOf(configuration: openid.Configuration): string {
  const { scopes_supported: known = [] } = configuration.serverMetadata();
  return known.includes('profile') ? 'openid profile' : 'openid';
}

function identityOf(claims: openid.IDToken | undefined, issuer: string): Identity {
  if (!claims || claims.iss !== issuer) throw new Error('the ID token is of another issuer');
  if (!isShown(claims.sub)) throw new Error('the sub of the ID token is not a text of 1 to 255 bytes');
  return { issuer, subject: claims.sub, name: nameOf(claims) };
}

/** Claims that cannot be shown are left out. */
function nameOf({ name, given_name, family_name }: Readonly<Record<string, unknown>>): string | undefined {
  const parts = [given_name, family_name].filter(isShown).join(' ');
  return [name, parts].find(isShown);
}

function isShown(claim: unknown): claim is string {
  const isShort = typeof claim === 'string' && claim.trim() !== '' && Buffer.byteLength(claim) <= 255;
  return isShort && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(claim);
}

/** The provider does not answer, or not with what can be read. */
class ProviderAway extends Error {}

/** Reads at most `mostBytes`, and takes a failure of the provider for its absence. */
async function boundedFetch(url: string, options: openid.CustomFetchOptions): Promise<Response> {
  const answer = await fetch(url, options as RequestInit).catch((cause: unknown) => {
    throw new ProviderAway('no answer', { cause });
  });
  if (answer.status >= 500) {
    await answer.body?.cancel();
    throw new ProviderAway(`status ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > mostBytes) throw new ProviderAway(`more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  const { status, headers } = answer;
  const hasBody = ![204, 205, 304].includes(status);
  return new Response(hasBody ? Buffer.concat(chunks) : null, { status, headers });
}

function flawOf(cause: unknown, provider: string): OsaError {
  if (isAway(cause)) {
    return new OsaError('busy', `${provider} does not answer, so nobody can log in; try again in a minute`, {
      cause,
    });
  }
  if (cause instanceof openid.AuthorizationResponseError) {
    const { error } = cause;
    const why = error === 'access_denied' ? 'you did not allow it' : `it says ${JSON.stringify(cut(error))}`;
    return new OsaError('login_incomplete', `${provider} did not log you in: ${why}; start osa login again`, {
      cause,
    });
  }
  return new OsaError(
    'invalid_token',
    `the answer of ${provider} is not accepted; start osa login again, and if that does not help, tell the operator`,
    { cause },
  );
}

function cut(text: string): string {
  return text.slice(0, 100);
}

function isAway(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    const isTimeout = at.name === 'TimeoutError' || ('code' in at && at.code === 'OAUTH_TIMEOUT');
    if (at instanceof ProviderAway || isTimeout) return true;
  }
  return false;
}
