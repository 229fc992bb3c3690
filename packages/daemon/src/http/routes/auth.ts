import { actorUuid } from '@osa/core/auth/principal';
import type { OwnIssuer } from '@osa/core/auth/publisher/exchange';
import type { Verifier } from '@osa/core/auth/verify-token';
import type { Handlers } from '../mount.ts';

export function authRoutes({
  verifier,
  own,
}: {
  readonly verifier: Verifier;
  readonly own: Pick<OwnIssuer, 'issuer' | 'audience'>;
}): Pick<Handlers, 'whoami' | 'listIssuers'> {
  return {
    async whoami({ caller }) {
      const { principal, token, roles } = caller();
      const { kind, issuer, subject } = token;
      const externalId = token.profile?.externalId ?? subject;
      return {
        id: actorUuid(principal),
        kind,
        issuer,
        subject,
        scopes: [...token.scopes].sort(),
        roles: roles.map((role) => role.toLowerCase()),
        expires_at: new Date(token.expiresAt * 1_000).toISOString(),
        display_name: token.profile?.name ?? externalId,
        provider: token.profile?.provider ?? (kind === 'machine' ? 'm2m' : issuer),
        external_id: externalId,
      };
    },
    async listIssuers() {
      const { machines, clockSkewSeconds, maxLifetimeSeconds } = verifier.trusted;
      return {
        now: new Date().toISOString(),
        clock_skew_seconds: clockSkewSeconds,
        max_token_seconds: maxLifetimeSeconds,
        exchange_audience: own.audience,
        issuers: machines
          .filter(({ issuer }) => issuer !== own.issuer)
          .map(({ issuer, audience, scopeClaim, keys, scopes }) => ({
            issuer,
            audience,
            scope_claim: scopeClaim,
            keys: keys.map(({ kid, thumbprint }) => ({ kid, thumbprint })),
            scopes: scopes ? [...scopes] : null,
          })),
      };
    },
  };
}
