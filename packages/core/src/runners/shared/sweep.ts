import { lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import type { Runner } from '../../run/runner.ts';
import { systemCode } from '../../system/error.ts';
import { isAttemptName, removeTree } from './directory.ts';
import { unmountBelow } from './output-quota.ts';

/**
 * Ends whatever code a dead daemon left running for a workspace, then removes the directories of its attempts. The
 * answer counts those, or the code where that is more. Links, files and names that no attempt can have are left alone.
 */
export async function sweep(runners: readonly Runner[], workspace: string): Promise<number> {
  const root = await existing(workspace);
  if (root === undefined) return 0;
  let ended = 0;
  for (const runner of runners) ended += await runner.sweep(root);
  await failpoint('recovery.mid-sweep');
  await unmountBelow(root);
  const entries = await readdir(root, { withFileTypes: true });
  const attempts = entries.filter((entry) => entry.isDirectory() && isAttemptName(entry.name));
  for (const { name } of attempts) await removeTree(join(root, name));
  // An engine that was asked for a container before the daemon died may have made it since. It makes no further ones:
  // their directories are gone.
  for (const runner of runners) ended += await runner.sweep(root);
  return Math.max(ended, attempts.length);
}

/** @throws OsaError `usage` for a symbolic link: another directory than ours would be emptied */
async function existing(path: string): Promise<string | undefined> {
  try {
    const isLink = (await lstat(path)).isSymbolicLink();
    if (isLink)
      throw new OsaError('usage', `${path} is a symbolic link, and osad empties it; remove the link`);
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
