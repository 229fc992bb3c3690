import type { Gate } from '@osa/core/api';
import type { Principal } from '@osa/core/auth/principal';
import { requireScope } from '@osa/core/auth/scope';
import type { Verifier } from '@osa/core/auth/token';
import { OsaError } from '@osa/core/error';

export interface AuthenticateOptions {
  readonly verifier: Verifier;
  /** Whether a route of the gate `read` needs a token. */
  readonly reads: 'public' | 'authenticated';
}

/** What the gates need to know of a request. */
export interface Caller {
  readonly authorization: string | undefined;
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
}

/**
 * Who calls, if the gate lets them through; undefined for nobody in particular. A token that is not accepted is
 * refused wherever tokens are looked at, so that nobody takes a public answer for one with their rights.
 */
export type Authenticate = (gate: Gate, caller: Caller) => Promise<Principal | undefined>;

/** @throws OsaError `missing_token`, `invalid_token`, `access_denied` */
export function authenticator({ verifier, reads }: AuthenticateOptions): Authenticate {
  return async (gate, { authorization, params }) => {
    if (gate.kind === 'public') return undefined;
    const principal =
      authorization === undefined ? undefined : await verifier.verify(bearerOf(authorization));
    if (!principal && (gate.kind === 'scope' || reads === 'authenticated')) {
      throw new OsaError('missing_token', 'this needs a token: send `Authorization: Bearer <token>`');
    }
    if (principal && gate.kind === 'scope') {
      const { verb, resourceParam } = gate;
      requireScope(principal, verb, resourceParam === undefined ? undefined : (params[resourceParam] ?? ''));
    }
    return principal;
  };
}

/** RFC 6750, section 2.1. The message repeats nothing of the header. */
function bearerOf(authorization: string): string {
  const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization) ?? [];
  if (token !== undefined) return token;
  throw new OsaError('invalid_token', 'the Authorization header must be `Bearer <token>`');
}
