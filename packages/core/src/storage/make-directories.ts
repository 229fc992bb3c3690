import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../system/error.ts';

/**
 * Makes a directory and those above it that are missing. Node's own `recursive` tries for ever where a directory is there
 * and nothing can be made in it, as in /proc, and says ENOENT where the file system is read-only.
 *
 * @returns the uppermost directory that was made; undefined where all were there
 * @throws the error of the system, such as ENOENT below /proc
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<string | undefined> {
  const made = await makeOne(path, mode);
  if (made !== 'no parent') return made;
  const first = await makeDirectories(dirname(path), mode);
  const again = await makeOne(path, mode);
  if (again !== 'no parent') return first ?? again;
  throw Object.assign(new Error(`ENOENT: no directory can be made at ${path}`), { code: 'ENOENT' });
}

async function makeOne(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return undefined;
    if (code === 'ENOENT' && dirname(path) !== path) return 'no parent';
    throw error;
  }
}
