import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { tryLock } from '../file-lock.ts';
import { readDaemonFile } from './directory.ts';

/**
 * Locks a directory for one daemon, until disposed or until the process ends.
 *
 * @throws OsaError `conflict` that names the daemon that runs there
 */
export async function lockDirectory(directory: string): Promise<Disposable> {
  const lock = await tryLock(join(directory, 'lock'));
  if (!lock) throw await occupied(directory);
  return lock;
}

async function occupied(directory: string): Promise<OsaError> {
  const holder = await readDaemonFile(directory);
  const who = holder
    ? `process ${holder.pid} at ${holder.url}; use that one, or stop it with: kill ${holder.pid}`
    : 'one that is still starting or stopping; wait for it';
  return new OsaError('conflict', `a daemon already uses ${directory}: ${who}`, {
    details: { directory, ...(holder && { pid: holder.pid, url: holder.url }) },
  });
}
