import type { Gate } from '@osa/core/api/route';
import { TokenFlaw } from '@osa/core/auth/compact';
import type { Principal } from '@osa/core/auth/principal';
import { isAdminRole, scopesOfRoles } from '@osa/core/auth/role';
import { requireAnyScope, requireVerb } from '@osa/core/auth/scope';
import type { VerifiedToken, Verifier } from '@osa/core/auth/verify-token';
import { asOsaError, OsaError } from '@osa/core/error';
import type { FailureRateLimit } from './failure-rate-limit.ts';
import { networkOf, noNetwork } from './network.ts';

export interface AuthenticateOptions {
  readonly verifier: Verifier;
  /** The current roles of a person. */
  readonly rolesOf: (user: string) => Promise<readonly string[]>;
  /** Whether a route with the gate `read` needs a token. */
  readonly reads: 'public' | 'authenticated';
  readonly failed: FailedTokens;
  /** Our own issuer, whose tokens count as long as the exchange that they were given for. */
  readonly own: { readonly issuer: string; readonly isActive: (exchange: string) => Promise<boolean> };
  /** Whether the session of a person's token lasts, by the token's `jti`. */
  readonly isLoggedIn: (tokenId: string) => Promise<boolean>;
}

export interface RefusedToken {
  readonly address: string;
  /** The key by which failures are counted. */
  readonly network: string;
  readonly reason: string;
  /** Whether this network has failed too often. */
  readonly isLimited: boolean;
}

/** The caller, once the token is verified. */
export interface Caller {
  readonly principal: Principal;
  readonly token: VerifiedToken;
  /** Empty for a machine. */
  readonly roles: readonly string[];
}

/** The parts of a request that authentication uses. */
export interface Presented {
  readonly authorization: string | undefined;
  readonly address: string;
}

/**
 * The caller; undefined for an anonymous one. A bad token is refused on `read` routes too, so that nobody mistakes a
 * public answer for one with their rights.
 */
export type Authenticate = (gate: Gate, presented: Presented) => Promise<Caller | undefined>;

/** @throws OsaError `missing_token`, `invalid_token`, `rate_limited` */
export function authenticator(options: AuthenticateOptions): Authenticate {
  const { verifier, reads, failed } = options;
  return async (gate, { authorization, address }) => {
    if (gate.kind === 'public') return undefined;
    try {
      if (authorization !== undefined)
        return await callerOf(verifier.verify(bearerOf(authorization)), options);
      if (gate.kind === 'read' && reads === 'public') return undefined;
      throw new OsaError('missing_token', 'you need a token: send `Authorization: Bearer <token>`');
    } catch (error) {
      const known = asOsaError(error);
      if (known?.code !== 'invalid_token' && known?.code !== 'missing_token') throw error;
      throw failed(error, { address, reason: reasonOf(known) });
    }
  };
}

/** Counts a refused token against its network; the answer is the error to throw, which may be `rate_limited` instead. */
export type FailedTokens = (
  error: unknown,
  from: { readonly address: string; readonly reason: string },
) => unknown;

/** `onRefused` is called for each request that is refused because its token is missing or not accepted. */
export function failedTokens(
  failures: FailureRateLimit,
  onRefused: (refusal: RefusedToken) => void,
): FailedTokens {
  return (error, { address, reason }) => {
    const network = networkOf(address);
    const waitSeconds = failures.count(network);
    // A proxy may send any text, of any length.
    const shown = network === noNetwork ? noNetwork : address;
    onRefused({ address: shown, network, reason, isLimited: waitSeconds !== undefined });
    if (waitSeconds === undefined) return error;
    return new OsaError('rate_limited', 'too many requests without an accepted token; wait a second', {
      details: { retry_after_seconds: waitSeconds },
      cause: error,
    });
  };
}

/**
 * Refuses a caller that the gate does not admit. An unknown gate admits nobody.
 *
 * @throws OsaError `access_denied`, `internal` for a gate that should have asked for a token
 */
export function requireGate(
  gate: Gate,
  caller: Caller | undefined,
  params: Readonly<Record<string, string>>,
): void {
  if (gate.kind === 'public' || gate.kind === 'read') return;
  if (!caller) throw new OsaError('internal', `a gate of the kind ${gate.kind} was reached without a token`);
  switch (gate.kind) {
    case 'authenticated':
      return;
    case 'scope': {
      const { verb, orVerb, resourceParam } = gate;
      const verbs = orVerb === undefined ? ([verb] as const) : ([verb, orVerb] as const);
      if (resourceParam === undefined) requireVerb(caller.principal, verbs);
      else requireAnyScope(caller.principal, verbs, params[resourceParam] ?? '');
      return;
    }
    default:
      throw new OsaError('internal', `there is no gate of the kind ${String((gate as Gate).kind)}`);
  }
}

async function callerOf(
  token: VerifiedToken,
  { rolesOf, own, isLoggedIn }: Pick<AuthenticateOptions, 'rolesOf' | 'own' | 'isLoggedIn'>,
): Promise<Caller> {
  const { issuer, subject, tokenId } = token;
  const exchange = issuer === own.issuer ? (tokenId ?? '') : undefined;
  if (exchange !== undefined && !(await own.isActive(exchange))) {
    const cause = new TokenFlaw('its publisher was removed');
    throw new OsaError('invalid_token', 'the token is not accepted', { cause });
  }
  if (token.isLogin && !(await isLoggedIn(tokenId ?? ''))) {
    const cause = new TokenFlaw('its login has ended');
    throw new OsaError('invalid_token', 'the token is not accepted', { cause });
  }
  // Roles are read for each request, so that a revoked one has no effect any more.
  const roles = token.kind === 'person' ? await rolesOf(subject) : [];
  const isAdmin = roles.some(isAdminRole);
  const scopes = token.kind === 'person' ? scopesOfRoles(roles) : token.scopes;
  return { token, roles, principal: { issuer, subject, scopes, tokenId, exchange, isAdmin } };
}

/** RFC 6750, section 2.1. A malformed header gets the same answer as any other bad token. */
function bearerOf(authorization: string): string {
  const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization) ?? [];
  if (token !== undefined) return token;
  throw new OsaError('invalid_token', 'the token is not accepted', {
    cause: new TokenFlaw('the header is not `Bearer <token>`'),
  });
}

function reasonOf({ code, cause }: OsaError): string {
  if (cause instanceof TokenFlaw) return cause.message;
  return code === 'missing_token' ? 'no token' : 'unknown';
}
