import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { failpoint } from '../../failpoint.ts';
import type { Runner } from '../../run/runner.ts';
import { systemCode } from '../../system-error.ts';
import { removeTree } from './directory.ts';
import { unmountBelow } from './output-quota.ts';

/**
 * Ends whatever code a dead daemon left running for a workspace, then removes the directories of its attempts. The
 * answer counts those, or the code where that is more.
 */
export async function sweep(runners: readonly Runner[], workspace: string): Promise<number> {
  const root = await existing(workspace);
  if (root === undefined) return 0;
  let ended = 0;
  for (const runner of runners) ended += await runner.sweep(root);
  await failpoint('recovery.mid-sweep');
  await unmountBelow(root);
  const attempts = await readdir(root);
  for (const name of attempts) await removeTree(join(root, name));
  return Math.max(ended, attempts.length);
}

async function existing(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
