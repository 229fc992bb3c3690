import { open } from 'node:fs/promises';
import type { SigningKey } from '@osa/core/auth/sign-token';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { isOpenToOthers } from '@osa/core/system/secret-file';
import type { Identity, KeySource } from './credential.ts';

const maxBytes = 64 * 1024;

/**
 * Reads a private key. A file that others may read or write is refused (`isOpenToOthers`).
 *
 * @throws OsaError `credentials`; the message never holds any of the key.
 */
export async function loadKey(source: KeySource): Promise<SigningKey> {
  const text = 'text' in source ? source.text : await readKeyFile(source);
  const { readPrivateKey } = await import('@osa/core/auth/sign-token');
  return readPrivateKey(text, source.name);
}

/** Seconds that a token may live. */
export const longestToken = 300;

/** A token of `identity`, for these scopes and nothing else. */
export async function sign(
  key: SigningKey,
  { issuer, audience, subject }: Identity,
  {
    scopes,
    seconds = longestToken,
    issuedAt,
  }: { readonly scopes: readonly string[]; readonly seconds?: number; readonly issuedAt?: number },
): Promise<string> {
  const { signToken } = await import('@osa/core/auth/sign-token');
  return signToken(key, {
    issuer,
    audience,
    subject,
    scopes,
    lifetimeSeconds: seconds,
    ...(issuedAt !== undefined && { issuedAt }),
  });
}

/** Only the path of a file that is there is shown: the text of a key may have been put into OSA_KEY_FILE. */
async function readKeyFile({
  path,
  name,
}: {
  readonly path: string;
  readonly name: string;
}): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat();
    if (!stats.isFile()) throw new OsaError('credentials', `${name} is not a file`);
    if (isOpenToOthers(stats, process.getuid?.())) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
      throw new OsaError(
        'credentials',
        `${name} holds a private key and others may use it (mode ${mode}); run: chmod 600 ${path}`,
        { details: { path, mode } },
      );
    }
    if (stats.size > maxBytes) throw new OsaError('credentials', `${name} is too large for a key`);
    return await file.readFile('utf8');
  } catch (cause) {
    if (cause instanceof OsaError) throw cause;
    const code = systemCode(cause) ?? 'unreadable';
    const isVariable = name !== path;
    const hint = isVariable
      ? 'it must be the path of a file; the text of a key goes into OSA_KEY'
      : 'make a key with: osa keys generate';
    throw new OsaError('credentials', `${name}: the file cannot be read (${code}); ${hint}`, {
      field: isVariable ? name : undefined,
    });
  }
}
