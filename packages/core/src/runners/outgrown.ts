import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bounds } from '../limits.ts';
import { systemCode } from '../system-error.ts';

const lookEveryMs = 200;

/** Looks at a directory until it is outgrown (true) or until `stopped` (false). */
export async function untilOutgrown(directory: string, stopped: AbortSignal): Promise<boolean> {
  while (!stopped.aborted) {
    if (await outgrown(directory)) return true;
    try {
      await delay(lookEveryMs, undefined, { signal: stopped });
    } catch (error) {
      if (!stopped.aborted) throw error;
    }
  }
  return false;
}

/** Whether the files below a directory exceed the bound in bytes or number; links are counted, not followed. */
export async function outgrown(directory: string): Promise<boolean> {
  let bytes = 0;
  let count = 0;
  let level = [directory];
  while (level.length > 0) {
    const found = await Promise.all(level.map((path) => orVanished(lstat(path))));
    for (const stats of found) bytes += stats === undefined || stats.isDirectory() ? 0 : stats.size;
    if (bytes > bounds.outputBytes) return true;
    const directories = level.filter((_path, index) => found[index]?.isDirectory());
    level = [];
    for (const path of directories) {
      level.push(...(await namesIn(path, bounds.outputEntries)).map((name) => join(path, name)));
      if (count + level.length > bounds.outputEntries) return true;
    }
    count += level.length;
  }
  return false;
}

/** The names in a directory, one more than `most` of them at most. */
async function namesIn(path: string, most: number): Promise<string[]> {
  const names: string[] = [];
  const children = await orVanished(opendir(path, { bufferSize: 1_000 }));
  if (children === undefined) return names;
  for await (const child of children) {
    names.push(child.name);
    if (names.length > most) break;
  }
  return names;
}

/** The code goes on changing the directory while it is looked at; it may also lock a part of it. */
async function orVanished<Found>(answer: Promise<Found>): Promise<Found | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'].includes(systemCode(error) ?? ''))
      return undefined;
    throw error;
  }
}
