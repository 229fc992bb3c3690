import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { streamOf } from '../file/stream.ts';
import { systemCode } from '../system/error.ts';
import { isDigest, mismatch, notStored, requireDigest, verified } from './blob.ts';
import { asStorageFault } from './fault.ts';
import type { BlobStore, Listed } from './index.ts';
import { makeDirectories } from './make-directories.ts';
import { writeHashed } from './write-hashed.ts';

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
        await makeDirectories(dirname(path), 0o700);
        await makeDirectories(dirname(temporary), 0o700);
        const written = await write(temporary, source, maxBytes);
        if (written.sha256 !== sha256) throw mismatch(sha256, written.sha256);
        await rename(temporary, path);
        await flushDirectory(dirname(path));
        await flushDirectory(directory);
        return { size: written.size };
      } catch (error) {
        // A disk that fails, fails here too; the first error says why.
        await rm(temporary, { force: true }).catch(() => undefined);
        throw asStorageFault(error, 'Storing a blob');
      }
    },
    async open(sha256) {
      const file = streamOf(await openBlob(pathOf(directory, sha256), sha256));
      const pieces: AsyncIterable<Uint8Array> = file;
      // A stream that is destroyed before anybody reads it never starts `verified`, which would close the file.
      return Readable.from(verified(pieces, sha256), { objectMode: false }).once('close', () =>
        file.destroy(),
      );
    },
    async find(sha256) {
      const found = await lstat(pathOf(directory, sha256)).catch(ignoreMissing);
      return found?.isFile() ? { size: found.size, storedAt: found.mtime } : undefined;
    },
    list: () => list(directory),
    async remove(sha256) {
      await rm(pathOf(directory, sha256), { force: true }).catch((error: unknown) => {
        throw asStorageFault(error, 'Removing a blob');
      });
    },
    removeUnfinished: (before) => removeUnfinished(directory, before),
  };
}

async function* list(directory: string): AsyncGenerator<Listed> {
  for (const shard of await namesIn(directory)) {
    if (shard === incoming) continue;
    const place = join(directory, shard);
    const isShard = /^[0-9a-f]{2}$/.test(shard) && (await lstat(place)).isDirectory();
    for (const name of isShard ? await namesIn(place) : ['']) {
      const sha256 = shard + name;
      const found = await lstat(join(place, name)).catch(ignoreMissing);
      if (found === undefined) continue;
      const isBlob = isShard && found.isFile() && isDigest(sha256);
      yield {
        sha256: isBlob ? sha256 : undefined,
        name: join(shard, name),
        size: found.size,
        storedAt: found.mtime,
      };
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(ignoreMissing);
  return (names ?? []).sort();
}

export const incoming = 'incoming';

/** No upload takes this long, so older files are those of dead daemons. Other daemons may be writing right now. */
const abandonedAfterMs = 24 * 3_600_000;

/** Makes the directory, and removes incomplete blobs of dead daemons. */
export async function prepareBlobs(directory: string): Promise<void> {
  await makeDirectories(join(directory, incoming), 0o700);
  await removeUnfinished(directory, new Date(Date.now() - abandonedAfterMs));
}

async function removeUnfinished(directory: string, before: Date): Promise<number> {
  const place = join(directory, incoming);
  let removed = 0;
  for (const name of await namesIn(place)) {
    const file = await stat(join(place, name)).catch(ignoreMissing);
    if (!file || file.mtime >= before) continue;
    await rm(join(place, name), { force: true });
    removed += 1;
  }
  return removed;
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw asStorageFault(error, 'Looking for a blob');
  return undefined;
}

export function pathOf(directory: string, sha256: string): string {
  requireDigest(sha256);
  return join(directory, sha256.slice(0, 2), sha256.slice(2));
}

async function write(path: string, source: Readable, maxBytes: number) {
  const file = await open(path, 'wx', 0o600);
  try {
    const chunks: AsyncIterable<Uint8Array> = source.iterator({ destroyOnReturn: false });
    const written = await writeHashed(chunks, file, { what: 'the blob', maxBytes });
    // A hook may be given it by a further name, and runs as another user. The directory is for ours only.
    await file.chmod(0o444);
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
    if (systemCode(error) !== 'ENOENT') throw asStorageFault(error, 'Opening a blob');
    throw notStored(sha256, error);
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
