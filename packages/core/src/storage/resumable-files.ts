import { constants } from 'node:fs';
import { chmod, copyFile, type FileHandle, link, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { type Digested, digestOfFile } from '../file/digest.ts';
import type { StoredFile } from '../file/file.ts';
import { systemCode } from '../system/error.ts';
import { asStorageFault, storageFaults } from './fault.ts';
import { flushDirectory, incoming, pathOf } from './filesystem.ts';
import type { FileStore, Receiving } from './index.ts';
import { makeDirectories } from './make-directories.ts';
import { verifiedFiles } from './verified.ts';

/**
 * Files as `<directory>/ab/cdef…`, readable by everybody and writable by nobody, so that hooks may be given them by a
 * further name. A file that is only partly here is in `<directory>/incoming`, and goes on where it ended.
 */
export function filesystemFiles(directory: string): FileStore {
  const receiving = new Set<string>();
  const awaited = { bytes: 0 };
  const stored = verifiedFiles();
  const partOf = (sha256: string, sender: string) => {
    pathOf(directory, sha256);
    return join(directory, incoming, `${sha256}-${sender}`);
  };
  return {
    async received(sha256, sender) {
      return (await sizeOf(partOf(sha256, sender))) ?? 0;
    },
    async receive(sha256, chunks, part) {
      const place = partOf(sha256, part.sender);
      if (receiving.has(place)) {
        throw new OsaError(
          'in_progress',
          `another upload of sha256:${sha256} is under way; wait and repeat it`,
        );
      }
      receiving.add(place);
      try {
        return await receive({ directory, place, sha256, awaited }, chunks, part);
      } catch (error) {
        throw asStorageFault(error, 'Storing a file');
      } finally {
        receiving.delete(place);
      }
    },
    async link(sha256, target) {
      const path = pathOf(directory, sha256);
      await stored.link(path, sha256, () => linkOrCopy(path, target));
    },
    async open(sha256, range) {
      return await stored.read(pathOf(directory, sha256), sha256, range);
    },
  };
}

interface Place {
  readonly directory: string;
  readonly place: string;
  readonly sha256: string;
  /** The bytes that uploads under way have announced and not written. */
  readonly awaited: { bytes: number };
}

async function receive(
  { directory, place, sha256, awaited }: Place,
  chunks: AsyncIterable<Uint8Array>,
  { offset, size }: Receiving,
): Promise<{ received: number; stored: StoredFile | undefined }> {
  await makeDirectories(dirname(place), 0o700);
  const received = await append({ place, awaited }, chunks, { offset, size });
  await failpoint('file.part');
  if (received < size) return { received, stored: undefined };
  const found = await readWhole(place);
  if (found.sha256 !== sha256) {
    await rm(place, { force: true });
    throw mismatch(sha256, found.sha256);
  }
  await chmod(place, 0o444);
  const path = pathOf(directory, sha256);
  await makeDirectories(dirname(path), 0o700);
  await rename(place, path);
  await flushDirectory(dirname(path));
  await flushDirectory(directory);
  await failpoint('file.whole');
  return { received, stored: { size, head: found.head } };
}

/**
 * Appends at `offset`, which must be the end of what has come. The first byte makes the file: an upload without any
 * leaves nothing behind. Resolves with the length that is safe on the disk.
 */
async function append(
  { place, awaited }: Pick<Place, 'place' | 'awaited'>,
  chunks: AsyncIterable<Uint8Array>,
  { offset, size }: Pick<Receiving, 'offset' | 'size'>,
): Promise<number> {
  let received = (await sizeOf(place)) ?? 0;
  requireEnd(received, { offset, size });
  let file = size === 0 ? await openPart(place, received) : undefined;
  let own = 0;
  const count = (bytes: number) => {
    own += bytes;
    awaited.bytes += bytes;
  };
  try {
    for await (const chunk of chunks) {
      if (chunk.length === 0) continue;
      if (received + chunk.length > size) {
        throw new OsaError('too_large', `the upload is larger than the ${size} bytes that it says`, {
          field: 'size',
        });
      }
      if (file === undefined) {
        const others = awaited.bytes;
        count(size - received);
        await requireRoom(dirname(place), { bytes: size - received, others });
        file = await openPart(place, received);
        requireEnd((await file.stat()).size, { offset, size });
      }
      await writeAll(file, chunk, received);
      received += chunk.length;
      count(-chunk.length);
    }
  } finally {
    count(-own);
    const opened = file;
    // A disk that is full or fails may say so only here.
    await opened?.sync().finally(() => opened.close());
  }
  return received;
}

/**
 * A disk is not filled with a part of what does not fit beside the bytes that other uploads still need. Other writers may still fill it.
 *
 * @throws OsaError `unavailable`
 */
async function requireRoom(
  directory: string,
  { bytes, others }: { readonly bytes: number; readonly others: number },
): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(directory);
  const free = bavail * bsize;
  // Some file systems do not say how large they are.
  if (blocks === 0 || bytes + others <= free) return;
  throw new OsaError(
    'unavailable',
    `Storing a file needs ${bytes} more bytes, and the data directory ${storageFaults.full}: it has ${free}, of which other uploads need ${others}`,
    { details: { fault: 'full', free, others } },
  );
}

function openPart(place: string, received: number): Promise<FileHandle> {
  const create = received === 0 ? constants.O_CREAT : 0;
  return open(place, constants.O_WRONLY | constants.O_NOFOLLOW | create, 0o600);
}

function requireEnd(received: number, { offset, size }: Pick<Receiving, 'offset' | 'size'>): void {
  if (offset === received && received <= size) return;
  const why = `offset: ${offset}, and ${received} bytes have come`;
  throw new OsaError('conflict', `${why}; go on from there`, { field: 'offset', details: { received } });
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}

async function readWhole(path: string): Promise<Digested> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  return await digestOfFile(file);
}

/** A further name of the same bytes; a copy only where the file system has no such thing, or no more of them. */
async function linkOrCopy(path: string, target: string): Promise<void> {
  try {
    await link(path, target);
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].includes(systemCode(error) ?? '')) throw error;
    await copyFile(path, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(target, 0o444);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw asStorageFault(error, 'Looking for a file');
  }
}

function mismatch(expected: string, found: string): OsaError {
  const message = `the bytes hash to sha256:${found}, not to sha256:${expected}; nothing is stored, so send them again from the start`;
  return new OsaError('invalid', message, { field: 'sha256', details: { expected, found } });
}
