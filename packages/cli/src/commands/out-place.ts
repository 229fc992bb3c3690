import type { Stats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, sep } from 'node:path';
import { asOsaError, OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';

/** Places that the user names by `--out`. Files and directories are made beside them and then moved there. */

export interface Out {
  /** Absolute. */
  readonly path: string;
  /** The path as it was given. */
  readonly shown: string;
  readonly kind: 'file' | 'directory';
  /** Another way to the output, as the end of "name a regular file". */
  readonly otherwise?: string;
}

/**
 * The place to move to. Symlinks are followed, since a move replaces the link itself, and devices and pipes are refused,
 * since it replaces them, too.
 *
 * @throws OsaError `usage`
 */
export async function outPlace({ path, shown, kind, otherwise = '' }: Out): Promise<string> {
  try {
    const there = await statsOf(path, stat);
    if (there && !(kind === 'file' ? there.isFile() : there.isDirectory())) {
      const wanted = kind === 'file' ? 'a regular file' : 'a directory that is new or empty';
      throw new OsaError('usage', `--out ${shown} is ${nounOf(there)}; name ${wanted}${otherwise}`, {
        field: '--out',
      });
    }
    return await followed(path);
  } catch (error) {
    throw unwritable(shown, error);
  }
}

/** `error` itself, or `usage` when the operating system has refused to write the file. */
export function unwritable(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (asOsaError(error) || code === undefined) return error;
  const why =
    code === 'ENOSPC'
      ? 'the disk is full; make room, and repeat the command to go on'
      : `it cannot be written (${code})`;
  return new OsaError('usage', `${path}: ${why}`, { field: '--out', details: { code }, cause: error });
}

/** The last target of a link, which need not be there. */
async function followed(path: string): Promise<string> {
  if (!(await statsOf(path, lstat))?.isSymbolicLink()) return path;
  const target = await readlink(path);
  return followed(isAbsolute(target) ? target : `${await realpath(dirname(path))}${sep}${target}`);
}

async function statsOf(path: string, look: (path: string) => Promise<Stats>): Promise<Stats | undefined> {
  return look(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}

/** The kind of something on a disk, as a noun. */
export function nounOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return stats.isFile() ? 'a file' : 'a device';
}
