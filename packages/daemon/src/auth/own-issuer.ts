import { generateKeyPairSync } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineIssuer, TrustedIssuers } from '@osa/core/auth/issuer';
import type { PeopleIssuer } from '@osa/core/auth/person/session';
import { readPublicKeys } from '@osa/core/auth/public-keys';
import type { OwnIssuer } from '@osa/core/auth/publisher/exchange';
import { readPrivateKey } from '@osa/core/auth/sign-token';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { isOpenToOthers } from '@osa/core/system/secret-file';
import { writeNew } from '../dev/new-file.ts';

/** At most this long, and never longer than other machine tokens. */
const longestSeconds = 900;

/**
 * The issuer of the tokens that CI jobs get. Its key is that of the settings, or in the data directory, where the first daemon
 * makes it.
 *
 * @throws OsaError `credentials` for a key that others can read
 */
export async function ownIssuer(config: {
  readonly dataDirectory: string;
  readonly domain: string;
  readonly trusted: TrustedIssuers;
  readonly exchangeKey?: { readonly text: string; readonly name: string } | undefined;
}): Promise<OwnIssuer & { readonly machine: MachineIssuer }> {
  const { dataDirectory, domain, trusted, exchangeKey } = config;
  const path = join(dataDirectory, 'exchange-key.jwk');
  const text = exchangeKey?.text ?? (await readOwn(path)) ?? (await makeKey(path));
  const key = await readPrivateKey(text, exchangeKey?.name ?? path);
  const [issuer, audience] = [ownName(domain), `https://${domain}`];
  const keys = await readPublicKeys(JSON.stringify(key.publicJwk), path);
  return {
    ...{ issuer, audience, key },
    machine: { issuer, audience, scopeClaim: 'scope', keys, scopes: undefined },
    lifetimeSeconds: Math.min(longestSeconds, trusted.maxLifetimeSeconds),
  };
}

/** No issuer of the settings may have it. */
export function ownName(domain: string): string {
  return `osad:${domain}`;
}

async function makeKey(path: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeNew(path, `${JSON.stringify(privateKey.export({ format: 'jwk' }))}\n`, 0o600);
  // Another daemon may have been quicker.
  const text = await readOwn(path);
  if (text !== undefined) return text;
  throw new OsaError('credentials', `${path} was made and is not there; look at the data directory`);
}

async function readOwn(path: string): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile() || isOpenToOthers(stats, process.getuid?.())) {
      throw new OsaError(
        'credentials',
        `${path} signs tokens of this archive and others can use it; make it a file with mode 0600 of osad's user, or ` +
          'delete it: osad makes another one',
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The same key signs for people who have logged in, under a name of its own: neither token passes for the other. */
export function peopleIssuer(own: OwnIssuer): PeopleIssuer {
  const { audience, key, lifetimeSeconds } = own;
  return { issuer: peopleName(own.issuer), audience, key, lifetimeSeconds };
}

function peopleName(own: string): string {
  return `${own}:people`;
}

/** The issuers of the settings and our own. @throws OsaError `usage` where one of the settings has our name */
export function withOwn(trusted: TrustedIssuers, own: MachineIssuer): TrustedIssuers {
  const people = { ...own, issuer: peopleName(own.issuer) };
  const taken = trusted.machines.find(({ issuer }) => issuer === own.issuer || issuer === people.issuer);
  if (taken) {
    throw new OsaError(
      'usage',
      `issuers: ${taken.issuer} is the name of osad's own issuer; take another one`,
      {
        field: 'issuers',
      },
    );
  }
  return { ...trusted, people, machines: [...trusted.machines, own] };
}
