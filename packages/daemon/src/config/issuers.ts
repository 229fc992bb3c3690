import {
  type MachineIssuer,
  type PrimaryIssuer,
  primaryIssuer,
  type TrustedIssuers,
} from '@osa/core/auth/issuer';
import { isScope } from '@osa/core/auth/scope';
import { readPublicKeys } from '@osa/core/auth/token';
import { OsaError } from '@osa/core/error';
import { z } from 'zod';
import type { Settings } from './config.ts';
import { missing, readSecret, readText } from './named-file.ts';

/** The settings that say whose tokens are accepted, and what comes of them. */

const scopeText = z
  .string()
  .refine(isScope, 'must be a scope, such as hooks:write or conventions:write:usgs-*');

const Issuer = z
  .strictObject({
    issuer: z
      .string()
      .min(1)
      .max(1_000)
      .refine((name) => name !== primaryIssuer, `"${primaryIssuer}" is the issuer of tokens for people`),
    audience: z.string().min(1).max(1_000).optional(),
    public_key: z.string().min(1).optional(),
    public_key_file: z.string().min(1).optional(),
    scope_claim: z
      .string()
      .regex(/^[A-Za-z][\w:./-]{0,199}$/, 'must be the name of a claim')
      .refine((name) => !(name in {}), 'must be the name of a claim')
      .default('scope'),
    scopes: z.array(scopeText).max(1_000).optional(),
  })
  .refine((entry) => (entry.public_key === undefined) !== (entry.public_key_file === undefined), {
    message: 'needs either public_key or public_key_file',
  });

export const issuerSettings = {
  issuers: z.array(Issuer).max(100).default([]),
  primary_secret: z.string().optional(),
  primary_secret_file: z.string().min(1).optional(),
  primary_algorithm: z.literal('HS256').default('HS256'),
  max_token_seconds: z.coerce.number().int().min(1).max(86_400).default(3_600),
  clock_skew_seconds: z.coerce.number().int().min(0).max(60).default(30),
};

/** What the members of the one issuer in the environment are called there. */
export const issuerVariables: Readonly<Record<string, string>> = {
  issuer: 'OSA_ISSUER',
  audience: 'OSA_AUDIENCE',
  public_key: 'OSA_PUBLIC_KEY',
  public_key_file: 'OSA_PUBLIC_KEY_FILE',
  scopes: 'OSA_ISSUER_SCOPES',
};

/** One issuer can be named in the environment; it takes the place of the file's list. @throws OsaError `usage` */
export function issuersOf(environment: NodeJS.ProcessEnv): unknown[] | undefined {
  const { OSA_ISSUER, OSA_AUDIENCE, OSA_PUBLIC_KEY, OSA_PUBLIC_KEY_FILE, OSA_ISSUER_SCOPES } = environment;
  if (!OSA_ISSUER && !OSA_PUBLIC_KEY && !OSA_PUBLIC_KEY_FILE) return undefined;
  if (!OSA_ISSUER) throw missing('OSA_ISSUER', 'the `iss` of the tokens that the public key verifies');
  if (!OSA_PUBLIC_KEY && !OSA_PUBLIC_KEY_FILE) {
    throw missing(
      'OSA_PUBLIC_KEY_FILE',
      'a file with the issuer’s public keys (or OSA_PUBLIC_KEY with their text)',
    );
  }
  return [
    {
      issuer: OSA_ISSUER,
      ...(OSA_AUDIENCE && { audience: OSA_AUDIENCE }),
      ...(OSA_PUBLIC_KEY && { public_key: OSA_PUBLIC_KEY }),
      ...(OSA_PUBLIC_KEY_FILE && { public_key_file: OSA_PUBLIC_KEY_FILE }),
      ...(OSA_ISSUER_SCOPES && { scopes: OSA_ISSUER_SCOPES.split(/[\s,]+/).filter(Boolean) }),
    },
  ];
}

/**
 * Whose tokens are accepted, with their keys as the files hold them now.
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
    throw new OsaError('usage', `issuers: ${JSON.stringify(twin.issuer)} is there twice`, {
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
  entry: Settings['issuers'][number],
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
    throw refused(`stands beside ${nameOf(['primary_secret'])}; set one of them`);
  const text = file === undefined ? (secret ?? '') : readSecret(file, name).replace(/\r?\n$/, '');
  const bytes = Buffer.from(text);
  if (bytes.length < shortestSecret) throw refused(`must have ${shortestSecret} bytes or more`);
  if (new Set(text).size < 8) throw refused('is too easy to guess; take 32 random bytes');
  if (/local-dev|change-?(in-production|me)|not-suitable/i.test(text))
    throw refused('is a secret of development');
  return { secret: bytes };
}
