import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { readDaemonFile } from './dev-directory.ts';

/**
 * Keeps a directory for one daemon at a time, until disposed or until the process ends, however it ends: the lock
 * is one of the operating system on a file, taken through SQLite since Node has no call for it. A lock file with a
 * pid in it would outlive a crash, and pids come back and mean nothing in another container.
 *
 * @throws OsaError `conflict` that names the daemon that runs there
 */
export async function lockDirectory(directory: string): Promise<Disposable> {
  const path = join(directory, 'lock');
  // Whoever can read the file could hold the lock.
  await (await open(path, 'a', 0o600)).close();
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('pragma journal_mode = memory; begin exclusive');
  } catch (cause) {
    database.close();
    if (!isBusy(cause)) throw cause;
    throw await occupied(directory, cause);
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** SQLITE_BUSY. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}

async function occupied(directory: string, cause: unknown): Promise<OsaError> {
  const holder = await readDaemonFile(directory);
  const who = holder
    ? `process ${holder.pid} at ${holder.url}; use that one, or stop it with: kill ${holder.pid}`
    : 'one that is still starting or stopping; wait for it';
  return new OsaError('conflict', `a daemon runs on ${directory} already: ${who}`, {
    details: { directory, ...(holder && { pid: holder.pid, url: holder.url }) },
    cause,
  });
}
