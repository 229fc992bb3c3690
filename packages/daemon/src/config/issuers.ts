import type { MachineIssuer, PrimaryIssuer, TrustedIssuers } from '@osa/core/auth/issuer';
import { readPublicKeys } from '@osa/core/auth/public-keys';
import { OsaError } from '@osa/core/error';
import type { IssuerEntry } from './issuer-entry.ts';
import { readSecret, readText } from './named-file.ts';
import type { Settings } from './read-settings.ts';

/**
 * The issuers of the settings, with the current keys of their files.
 *
 * @throws OsaError `usage`, `credentials`; the message names the setting
 */
export async function trustedIssuers(settings: Settings, ownDomain: string): Promise<TrustedIssuers> {
  const machines = await Promise.all(
    settings.issuers.map((entry, index) => {
      const nameOf = (member: string) => settings.nameOf(['issuers', index, member]);
      return machineIssuer(entry, nameOf, ownDomain);
    }),
  );
  const twin = machines.find(
    ({ issuer }, index) => machines.findIndex((other) => other.issuer === issuer) < index,
  );
  if (twin)
    throw new OsaError('usage', `issuers: ${JSON.stringify(twin.issuer)} is listed twice`, {
      field: 'issuers',
    });
  return {
    machines,
    primary: primaryOf(settings),
    clockSkewSeconds: settings.clock_skew_seconds,
    maxLifetimeSeconds: settings.max_token_seconds,
  };
}

async function machineIssuer(
  entry: IssuerEntry,
  nameOf: (member: string) => string,
  ownDomain: string,
): Promise<MachineIssuer> {
  const { issuer, audience = `https://${ownDomain}`, scope_claim: scopeClaim, scopes } = entry;
  const file = entry.public_key_file;
  const name = nameOf(file === undefined ? 'public_key' : 'public_key_file');
  const text = file === undefined ? (entry.public_key ?? '') : readText(file, name);
  const keys = await readPublicKeys(text, file === undefined ? name : `${name}: ${file}`);
  return { issuer, audience, scopeClaim, scopes, keys };
}

const shortestSecret = 32;

/** @throws OsaError `usage`; the message never holds the secret */
function primaryOf({
  primary_secret: secret,
  primary_secret_file: file,
  nameOf,
}: Settings): PrimaryIssuer | undefined {
  if (secret === undefined && file === undefined) return undefined;
  const name = nameOf([file === undefined ? 'primary_secret' : 'primary_secret_file']);
  const refused = (rule: string) => new OsaError('usage', `${name}: ${rule}`, { field: name });
  if (secret !== undefined && file !== undefined)
    throw refused(`${nameOf(['primary_secret'])} is set as well; set only one of them`);
  const bytes = file === undefined ? Buffer.from(secret ?? '') : withoutNewline(readSecret(file, name));
  if (bytes.length < shortestSecret) throw refused(`must have ${shortestSecret} bytes or more`);
  if (new Set(bytes).size < 8) throw refused('is too easy to guess; take 32 random bytes');
  if (/local-dev|change-?(in-production|me)|not-suitable/i.test(bytes.toString('latin1')))
    throw refused('is a secret for development');
  return { secret: bytes };
}

/** Editors and `echo` end a file with a newline, which is not part of the secret. */
function withoutNewline(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}
