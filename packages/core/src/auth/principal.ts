import { v5 as uuid5 } from 'uuid';
import { primaryIssuer } from './issuer.ts';

/** The caller: issuer and subject as the verified token said them, and the granted scopes. */
export interface Principal {
  readonly issuer: string;
  readonly subject: string;
  readonly scopes: ReadonlySet<string>;
  /** Passes every gate: a person with the role ADMIN. */
  readonly isAdmin?: boolean;
  /**
   * Collects the rights that were asked for and granted, as `<verb>:<resource>`, where they matter later. A stored
   * answer is given again only to a caller who still has them.
   */
  readonly used?: Set<string>;
  /** The token's `jti`, where it has one. */
  readonly tokenId?: string | undefined;
  /** The exchange of an ID token that the token was given for; what its holder makes is kept with it. */
  readonly exchange?: string | undefined;
}

/**
 * The uuid that the archive gives an actor, for display: of a person the subject itself, of a machine
 * `uuid5(url namespace, "<issuer>#<subject>")`.
 */
export function actorUuid({ issuer, subject }: Pick<Principal, 'issuer' | 'subject'>): string {
  return issuer === primaryIssuer ? subject : uuid5(`${issuer}#${subject}`, uuid5.URL);
}

/** The reason that is shown of what somebody has ended. */
export function cancelledBy(
  { subject }: Pick<Principal, 'subject'>,
  reason: string | null | undefined,
): string {
  return reason ? `cancelled by ${subject}: ${reason}` : `cancelled by ${subject}`;
}
