import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { headBytes, type StoredFile } from './file.ts';

const readBytes = 256 * 1024;

export interface Digested extends StoredFile {
  /** Hex. */
  readonly sha256: string;
}

/**
 * The digest of a file's bytes, read through one buffer. A stream would make a buffer for each piece, and these stay until
 * the next collection of garbage. `onRead` gets the bytes read so far.
 *
 * @throws the reason of `stop` once it is aborted
 */
export async function digestOfFile(
  file: FileHandle,
  stop?: AbortSignal,
  onRead?: (bytes: number) => void,
): Promise<Digested> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(readBytes);
  let head: Buffer = Buffer.alloc(0);
  for (let size = 0; ; ) {
    stop?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, readBytes, size);
    if (bytesRead === 0) return { sha256: hash.digest('hex'), size, head };
    if (size === 0) head = Buffer.from(buffer.subarray(0, Math.min(headBytes, bytesRead)));
    hash.update(buffer.subarray(0, bytesRead));
    size += bytesRead;
    onRead?.(size);
  }
}
