import { createHash } from 'node:crypto';
import { chmod, mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { OsaError } from '../../error.ts';
import type { TarEntry } from './tar.ts';
import { readArchive } from './untar.ts';

export interface UnpackLimits {
  /** Bytes of the tar. */
  readonly maxBytes: number;
  /** Entries of the tar: files, directories and links. */
  readonly maxFiles: number;
}

/**
 * Unpacks a canonical tar into an empty directory that nobody else writes to. Everything is checked before the
 * first file is made, and links are made last, so no write can go through one. Files are 0644 or 0755,
 * directories 0755. The digest is `sha256:` and hex over the bytes that were read.
 *
 * @throws OsaError `invalid` for anything but a canonical tar, `too_large` beyond the limits.
 */
export async function unpack(
  source: Readable,
  directory: string,
  { maxBytes, maxFiles }: UnpackLimits,
): Promise<{ readonly digest: string }> {
  const { bytes, digest } = await readAll(source, maxBytes);
  const entries = readArchive(bytes, { maxFiles });
  for (const entry of entries) {
    if (entry.type === 'directory') await makeDirectory(join(directory, entry.path));
    if (entry.type === 'file') await writeFile(join(directory, entry.path), entry);
  }
  for (const entry of entries) {
    if (entry.type === 'link') await symlink(entry.target, join(directory, entry.path));
  }
  return { digest };
}

async function readAll(source: Readable, maxBytes: number): Promise<{ bytes: Buffer; digest: string }> {
  const hash = createHash('sha256');
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    const bytes: Uint8Array = chunk;
    size += bytes.length;
    if (size > maxBytes) throw new OsaError('too_large', `The archive is larger than ${maxBytes} bytes`);
    hash.update(bytes);
    chunks.push(bytes);
  }
  return { bytes: Buffer.concat(chunks, size), digest: `sha256:${hash.digest('hex')}` };
}

// Modes are set after creation, since the daemon's umask cuts those that are given with it.

async function makeDirectory(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

async function writeFile(path: string, entry: Extract<TarEntry, { type: 'file' }>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(entry.content);
    await file.chmod(entry.executable ? 0o755 : 0o644);
  } finally {
    await file.close();
  }
}
