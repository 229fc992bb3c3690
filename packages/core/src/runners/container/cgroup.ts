import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemCode } from '../../system/error.ts';

const root = '/sys/fs/cgroup';
/** The counters die with the container's last process, some 50 ms after it: look more often than that. */
const lookEveryMs = 20;
const deepest = 6;
const mostDirectories = 4_000;

/** Counts the out-of-memory kills in a container's control group while it lives. */
export interface OomCounter {
  /** Kills seen so far. */
  kills(): number;
  stop(): Promise<void>;
}

/** Where the control group of an earlier container stood; the next one stands beside it. */
export interface CgroupHint {
  directory?: string;
  /** The name with the id taken out, such as `libpod-*.scope`. */
  pattern?: string;
}

/**
 * Follows `memory.events` (version 2) or `memory.oom_control` (version 1) of the group whose name has the container's
 * id, once it is made. On a machine without either, nothing is counted and the engine's own word is all there is.
 */
export function countOomKills(made: Promise<string | undefined>, hint: CgroupHint): OomCounter {
  const stopped = new AbortController();
  let kills = 0;
  const following = made.then(async (id) => {
    if (id === undefined) return;
    await follow(id, hint, stopped.signal, (count) => {
      kills = Math.max(kills, count);
    });
  });
  // `stop` reports a failure. Until then nobody listens, and an unheard rejection would end the daemon.
  following.catch(() => undefined);
  return {
    kills: () => kills,
    async stop() {
      stopped.abort();
      await following;
    },
  };
}

async function follow(
  id: string,
  hint: CgroupHint,
  stopped: AbortSignal,
  onCount: (kills: number) => void,
): Promise<void> {
  let file: string | undefined;
  while (!stopped.aborted) {
    file ??= await findCounter(id, hint);
    const count = file === undefined ? undefined : await readCount(file);
    if (count !== undefined) onCount(count);
    await delay(lookEveryMs, undefined, { signal: stopped }).catch(() => undefined);
  }
}

async function readCount(file: string): Promise<number | undefined> {
  const text = await orGone(readFile(file, 'utf8'));
  const [, count] = /^oom_kill (\d+)$/m.exec(text ?? '') ?? [];
  return count === undefined ? undefined : Number(count);
}

async function findCounter(id: string, hint: CgroupHint): Promise<string | undefined> {
  const { directory, pattern } = hint;
  if (directory !== undefined && pattern !== undefined) {
    const beside = await counterIn(join(directory, pattern.replace('*', id)));
    if (beside !== undefined) return beside;
  }
  const found = await findGroup(id);
  if (found === undefined) return undefined;
  hint.directory = dirname(found);
  hint.pattern = basename(found).replace(id, '*');
  return counterIn(found);
}

async function counterIn(group: string): Promise<string | undefined> {
  for (const name of ['memory.events', 'memory.oom_control']) {
    const file = join(group, name);
    if ((await readCount(file)) !== undefined) return file;
  }
  return undefined;
}

/** Version 1 has the memory controller in a tree of its own. */
async function findGroup(id: string): Promise<string | undefined> {
  const separate = join(root, 'memory');
  const isSeparate = (await orGone(readdir(separate))) !== undefined;
  let level = [isSeparate ? separate : root];
  let seen = 0;
  for (let depth = 0; depth < deepest && level.length > 0 && seen < mostDirectories; depth += 1) {
    const listed = await Promise.all(level.map(directoriesIn));
    level = listed.flat();
    seen += level.length;
    const found = level.find((path) => basename(path).includes(id));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function directoriesIn(path: string): Promise<string[]> {
  const entries: Dirent[] = (await orGone(readdir(path, { withFileTypes: true }))) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
}

async function orGone<Found>(answer: Promise<Found>): Promise<Found | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENOTDIR', 'EACCES'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}
