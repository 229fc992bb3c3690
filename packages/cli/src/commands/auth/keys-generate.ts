import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { systemCode } from '@osa/core/system/error';
import { defineCommand } from '../../command.ts';
import { issuerOf } from '../../config/credential.ts';
import { text } from '../../terminal/parse.ts';
import { outPlace } from '../out-place.ts';
import { publicKeyLines } from './key-lines.ts';

export const keysGenerate = defineCommand({
  description:
    'Makes an Ed25519 key pair. The private key goes to a file that only you can read (JWK, mode 0600); ' +
    'osa signs tokens with it. The public key is printed, for the daemon that should trust it.',
  options: {
    out: {
      value: 'FILE',
      description: 'file for the private key (default: key.jwk in your config directory)',
      parse: text(4_096),
    },
    force: { description: 'overwrite the existing key; servers that trust it must be updated' },
  },
  examples: [
    ['osa keys generate', 'a key of your own'],
    ['osa keys generate --out ci.jwk', 'a key for CI; store it there as OSA_KEY'],
  ],
  json: '{"file", "issuer", "public_jwk", "thumbprint"}',
  async run({ output, sources }, { options: { out, force } }) {
    const file = out === undefined ? join(sources.userDirectory, 'key.jwk') : resolve(sources.cwd, out);
    const privateJwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const { readPrivateKey } = await import('@osa/core/auth/sign-token');
    const { kid, publicJwk } = await readPrivateKey(JSON.stringify(privateJwk), file);
    await writePrivately(file, `${JSON.stringify({ ...privateJwk, kid, alg: 'EdDSA' })}\n`, force);
    const shown = { ...publicJwk, kid, alg: 'EdDSA' };
    const issuer = issuerOf(sources.environment);
    output.result(
      { file, issuer, public_jwk: shown, thumbprint: kid },
      publicKeyLines({
        title: 'private key',
        from: `${file} (only you can read it; keep it secret)`,
        issuer,
        publicJwk: shown,
        thumbprint: kid,
      }),
    );
    return undefined;
  },
});

/** Never over another file without `force`, and never readable by others, not even for a moment. */
async function writePrivately(file: string, content: string, force: boolean): Promise<void> {
  try {
    await makeDirectories(dirname(file), 0o700);
    if (!force) return await writeExclusively(file, content);
    const target = await outPlace({ path: file, shown: file, kind: 'file' });
    const next = `${target}.${randomUUID()}`;
    await writeExclusively(next, content);
    await rename(next, target).catch(async (error: unknown) => {
      await rm(next, { force: true });
      throw error;
    });
  } catch (cause) {
    const code = systemCode(cause);
    if (code === undefined) throw cause;
    const problem =
      code === 'EEXIST'
        ? 'exists already; --force replaces it, --out names another file'
        : `cannot be written (${code})`;
    throw new OsaError('usage', `${file} ${problem}`, { field: 'out', cause });
  }
}

async function writeExclusively(file: string, content: string): Promise<void> {
  await using handle = await open(file, 'wx', 0o600);
  await handle.writeFile(content);
  await handle.sync();
}
