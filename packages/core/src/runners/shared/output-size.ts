import type { Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bounds } from '../../limits.ts';
import { systemCode } from '../../system/error.ts';

const lookEveryMs = 200;
/** A long look is followed by a longer rest. */
const restFactor = 4;
/** Entries that are asked for at a time: the answers of many at once would hold up everything else. */
const sliceEntries = 64;

/** Looks again and again, until the output is too large (true) or until `stopped` (false). */
export async function untilTooLarge(look: () => Promise<boolean>, stopped: AbortSignal): Promise<boolean> {
  while (!stopped.aborted) {
    const started = performance.now();
    if (await look()) return true;
    const restMs = Math.max(lookEveryMs, restFactor * (performance.now() - started));
    try {
      await delay(restMs, undefined, { signal: stopped });
    } catch (error) {
      if (!stopped.aborted) throw error;
    }
  }
  return false;
}

/**
 * Whether the files below a directory exceed the bound in bytes or number; links are counted, not followed. A file
 * counts with its length or, where that is more, with what it takes. A directory that cannot be read could hold
 * anything, and so is too large.
 */
export async function isTooLarge(directory: string): Promise<boolean> {
  let bytes = 0;
  let count = 0;
  let level = [directory];
  try {
    while (level.length > 0) {
      const below: string[] = [];
      for (let at = 0; at < level.length; at += sliceEntries) {
        const slice = level.slice(at, at + sliceEntries);
        const found = await Promise.all(slice.map((path) => orVanished(lstat(path))));
        for (const [index, path] of slice.entries()) {
          const stats = found[index];
          bytes += sizeOf(stats);
          if (stats?.isDirectory()) below.push(...(await pathsIn(path)));
          if (bytes > bounds.outputBytes || count + below.length > bounds.outputEntries) return true;
        }
      }
      count += below.length;
      level = below;
    }
  } catch (error) {
    if (['ENAMETOOLONG', 'EACCES'].includes(systemCode(error) ?? '')) return true;
    throw error;
  }
  return false;
}

function sizeOf(stats: Stats | undefined): number {
  return stats === undefined || stats.isDirectory() ? 0 : Math.max(stats.size, stats.blocks * 512);
}

/** The paths in a directory, one more than the bound at most. */
async function pathsIn(path: string): Promise<string[]> {
  const paths: string[] = [];
  const children = await orVanished(opendir(path, { bufferSize: 1_000 }));
  if (children === undefined) return paths;
  for await (const child of children) {
    paths.push(join(path, child.name));
    if (paths.length > bounds.outputEntries) break;
  }
  return paths;
}

/** The code goes on changing the directory while it is looked at. */
async function orVanished<Found>(answer: Promise<Found>): Promise<Found | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}
