import { constants } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { systemCode } from '../../system/error.ts';

const largestLogBytes = 8 * 1024 * 1024;
const tailBytes = 2_000;

/**
 * Opens the server's log for appending. The server inherits the descriptor, so it needs no right to the file.
 * A log of more than 8 MiB is set aside first, as `<path>.1`.
 */
export async function openLog(path: string): Promise<FileHandle> {
  if ((await logSize(path)) > largestLogBytes) await rename(path, `${path}.1`);
  return open(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
}

/** Size in bytes; 0 when there is no log. */
export async function logSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return 0;
    }
    throw error;
  }
}

/** The log from a byte offset on, at most its last 2,000 bytes. */
export async function logTail(path: string, from: number): Promise<string> {
  const size = await logSize(path);
  const start = Math.max(Math.min(from, size), size - tailBytes);
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, start);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await file.close();
  }
}
