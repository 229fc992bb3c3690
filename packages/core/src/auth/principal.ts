import { v5 as uuid5 } from 'uuid';

/** Who calls: issuer and subject as the verified token said them, and what they may do. */
export interface Principal {
  readonly issuer: string;
  readonly subject: string;
  readonly scopes: ReadonlySet<string>;
}

/** The uuid that the archive gives a machine: `uuid5(url namespace, "<issuer>#<subject>")`. For display only. */
export function actorUuid({ issuer, subject }: Pick<Principal, 'issuer' | 'subject'>): string {
  return uuid5(`${issuer}#${subject}`, uuid5.URL);
}
