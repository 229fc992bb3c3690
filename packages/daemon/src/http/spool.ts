import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { uploadBegun } from '@osa/core/file/buffer-memory';
import { asStorageFault } from '@osa/core/storage/fault';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { writeHashed } from '@osa/core/storage/write-hashed';

/** A complete upload, kept until it is disposed. */
export interface Spooled extends AsyncDisposable {
  /** Hex. */
  readonly sha256: string;
  readonly size: number;
  /** Its open file. */
  readonly fd: number;
  /** Reads from a place; may be called repeatedly. */
  open(start?: number): Readable;
  /** The whole upload, in memory. */
  bytes(): Promise<Buffer>;
}

/**
 * Keeps an upload in a file whose name is removed once it is open, so that nothing remains if the daemon dies.
 *
 * @throws OsaError `too_large`, `unavailable` if the disk is full; errors of `chunks` pass through
 */
export async function spool(
  chunks: AsyncIterable<Uint8Array>,
  { directory, maxBytes }: { readonly directory: string; readonly maxBytes: number },
): Promise<Spooled> {
  const file = await openNameless(directory);
  const ended = uploadBegun();
  try {
    const { size, sha256 } = await writeHashed(chunks, file, { what: 'the upload', maxBytes });
    return {
      size,
      sha256,
      fd: file.fd,
      open: (start = 0) => file.createReadStream({ start, autoClose: false }),
      bytes: () => readAll(file, size),
      async [Symbol.asyncDispose]() {
        ended(size);
        await file.close();
      },
    };
  } catch (error) {
    ended(0);
    await file.close();
    throw asStorageFault(error, 'Storing an upload');
  }
}

/**
 * Makes the directory, or removes from it the files of a daemon that died between opening a file and unnaming it. Only
 * regular files with the names of uploads are removed, and nothing behind a link.
 *
 * @throws OsaError `usage` when the directory is a symbolic link
 */
export async function prepareSpool(directory: string): Promise<void> {
  await makeDirectories(directory, 0o700);
  if ((await lstat(directory)).isSymbolicLink()) {
    throw new OsaError(
      'usage',
      `${directory} is a symbolic link, and osad empties it; put a directory there`,
    );
  }
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isFile() && isUuid(entry.name)) await rm(join(directory, entry.name), { force: true });
  }
}

const isUuid = (name: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);

async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, randomUUID());
  try {
    const file = await open(path, 'wx+', 0o600);
    await rm(path, { force: true });
    return file;
  } catch (error) {
    throw asStorageFault(error, 'Storing an upload');
  }
}

async function readAll(file: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, size - at, at);
    if (bytesRead === 0) throw new OsaError('internal', `an upload of ${size} bytes ended after ${at}`);
    at += bytesRead;
  }
  return bytes;
}
