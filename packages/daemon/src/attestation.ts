import { generateKeyPairSync } from 'node:crypto';
import { dirname, join } from 'node:path';
import { readPrivateKey, type SigningKey } from '@osa/core/auth/sign-token';
import { OsaError } from '@osa/core/error';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { systemCode } from '@osa/core/system/error';
import type { Attestation } from '@osa/core/trace/export/attestation';
import { z } from 'zod';
import { readSecret } from './config/named-file.ts';
import { writeNew } from './dev/new-file.ts';

/** The keys that sign receipts, in a file of the data directory that nobody else may read. */

const KeyFile = z.object({
  /** The first one signs. The others are retired, and only their public halves are left. */
  keys: z.array(
    z.object({
      x: z.string(),
      d: z.string().optional(),
      kid: z.string(),
      created_at: z.string(),
      retired_at: z.string().nullable(),
    }),
  ),
});

type StoredKey = z.output<typeof KeyFile>['keys'][number];

export function attestationFile(dataDirectory: string): string {
  return join(dataDirectory, 'attestation-keys.json');
}

/** Reads the file for each question, so that a rotation needs no restart. With `makes`, the first one makes a key. */
export function fileAttestation(path: string, { makes }: { readonly makes: boolean }): Attestation {
  const keys = async () => {
    const found = readKeys(path);
    return found.length > 0 || !makes ? found : makeAttestationKey(path, { rotate: false });
  };
  return {
    async current() {
      const [first] = await keys();
      return first && signingKey(first, path);
    },
    async published() {
      const found = await keys();
      return found.map(({ d: _private, ...key }) => ({ kty: 'OKP', crv: 'Ed25519', use: 'sig', ...key }));
    },
  };
}

/**
 * Makes the first key, or with `rotate` another one in its place; then the private half of the old one is gone.
 *
 * @returns all keys, the one that signs first
 * @throws OsaError `usage` for a file that is none of ours, or that others may read
 */
export async function makeAttestationKey(
  path: string,
  { rotate }: { readonly rotate: boolean },
): Promise<readonly StoredKey[]> {
  const found = readKeys(path);
  if (found.length > 0 && !rotate) return found;
  const now = new Date().toISOString();
  const retired = found.map(({ d: _private, ...key }) => ({ ...key, retired_at: key.retired_at ?? now }));
  const keys = [await newKey(now), ...retired];
  await makeDirectories(dirname(path));
  await writeNew(path, `${JSON.stringify({ keys }, null, 2)}\n`, 0o600, { replace: rotate });
  // Where two make the first one at once, the file has one of them.
  return readKeys(path);
}

async function newKey(created_at: string): Promise<StoredKey> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' });
  const { thumbprint } = await readPrivateKey(JSON.stringify(jwk(x, d)), 'a new key');
  return { x, d, kid: thumbprint, created_at, retired_at: null };
}

function signingKey({ x, d, kid }: StoredKey, path: string): Promise<SigningKey> {
  if (d === undefined) throw unusable(path, 'its first key has no private half');
  return readPrivateKey(JSON.stringify({ ...jwk(x, d), kid }), path);
}

function jwk(x: string, d: string): object {
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

/** None where there is no file. */
function readKeys(path: string): readonly StoredKey[] {
  let text: string;
  try {
    text = readSecret(path, 'the attestation keys').toString('utf8');
  } catch (error) {
    if (systemCode(error instanceof OsaError ? error.cause : error) === 'ENOENT') return [];
    throw error;
  }
  const parsed = KeyFile.safeParse(jsonOf(text));
  if (!parsed.success) throw unusable(path, 'it is not a file of osad keys attestation');
  return parsed.data.keys;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unusable(path: string, why: string): OsaError {
  return new OsaError(
    'usage',
    `the attestation keys in ${path} cannot be used: ${why}; restore the file from a backup`,
  );
}

/** `osad keys attestation`: what to print. */
export async function showAttestationKeys(
  path: string,
  { rotate }: { readonly rotate: boolean },
): Promise<string> {
  const keys = await makeAttestationKey(path, { rotate });
  const lines = keys.map(({ kid, created_at, retired_at }) =>
    retired_at === null ? `${kid}  signs receipts since ${created_at}` : `${kid}  retired ${retired_at}`,
  );
  return `${lines.join('\n')}\nosad: the keys are in ${path}; the daemon publishes the public halves at /.well-known/osa-keys.json\n`;
}
