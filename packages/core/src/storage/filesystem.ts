import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { OsaError } from '../error.ts';
import { asUnavailable, systemCode } from '../system-error.ts';
import type { BlobStore } from './index.ts';
import { receive } from './receive.ts';

/**
 * Blobs as files: `<directory>/ab/cdef…`. A blob is written to `<directory>/incoming`, flushed and renamed, so it appears
 * complete or not at all, and concurrent writers of one blob do not disturb each other. If `put` stops early, it does
 * not destroy the source: a destroyed request cannot be answered.
 */
export function filesystemBlobs(directory: string): BlobStore {
  return {
    async put(sha256, source, { maxBytes }) {
      const path = pathOf(directory, sha256);
      const temporary = join(directory, incoming, randomUUID());
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await mkdir(dirname(temporary), { recursive: true, mode: 0o700 });
        const written = await write(temporary, source, maxBytes);
        if (written.sha256 !== sha256) throw mismatch(sha256, written.sha256);
        await rename(temporary, path);
        await flushDirectory(dirname(path));
        await flushDirectory(directory);
        return { size: written.size };
      } catch (error) {
        await rm(temporary, { force: true });
        throw asUnavailable(error, 'Storing a blob');
      }
    },
    async open(sha256) {
      const handle = await openBlob(pathOf(directory, sha256), sha256);
      return createReadStream('', { fd: handle });
    },
    async has(sha256) {
      try {
        return (await stat(pathOf(directory, sha256))).isFile();
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return false;
        throw error;
      }
    },
  };
}

export const incoming = 'incoming';

/** No upload takes this long, so older files are those of dead daemons. Other daemons may be writing right now. */
const abandonedAfterMs = 24 * 3_600_000;

/** Makes the directory, and removes incomplete blobs of dead daemons. */
export async function prepareBlobs(directory: string): Promise<void> {
  const place = join(directory, incoming);
  await mkdir(place, { recursive: true, mode: 0o700 });
  for (const name of await readdir(place)) {
    const file = await stat(join(place, name)).catch(ignoreMissing);
    if (file && Date.now() - file.mtimeMs > abandonedAfterMs) await rm(join(place, name), { force: true });
  }
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
  return undefined;
}

/** Refuses any key but a digest, which is safe as a path. */
export function pathOf(directory: string, sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new OsaError(
      'invalid',
      `a blob's key must be 64 lower-case hexadecimal digits, not ${JSON.stringify(sha256)}`,
      {
        field: 'sha256',
      },
    );
  }
  return join(directory, sha256.slice(0, 2), sha256.slice(2));
}

async function write(path: string, source: Readable, maxBytes: number) {
  const file = await open(path, 'wx', 0o600);
  try {
    const chunks: AsyncIterable<Uint8Array> = source.iterator({ destroyOnReturn: false });
    const written = await receive(chunks, file, { what: 'the blob', maxBytes });
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}

async function openBlob(path: string, sha256: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw asUnavailable(error, 'Opening a blob');
    throw new OsaError('not_found', `no blob with the digest sha256:${sha256} is stored; upload it again`, {
      details: { sha256 },
      cause: error,
    });
  }
}

/** A rename is durable once the directory that holds the name is flushed. */
export async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function mismatch(expected: string, found: string): OsaError {
  return new OsaError(
    'invalid',
    `the bytes hash to sha256:${found}, not to sha256:${expected}; nothing is stored`,
    {
      field: 'sha256',
      details: { expected, found },
    },
  );
}
