import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { sha256 } from '@osa/core/hook/release';
import type { Runner } from '@osa/core/run/runner';
import { unmountBelow } from '@osa/core/runners/shared/output-quota';
import { sweep } from '@osa/core/runners/shared/sweep';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { tryLock } from '../file-lock.ts';

/**
 * In production the workspaces of all daemons are next to each other. Each has a lock that ends with its process, so a
 * starting daemon can recognise those of dead daemons.
 */
const lockSuffix = '.lock';

/** A unique name that begins with a digest of the host name; containers can see it in their mounts. */
export function workspaceName(): string {
  return `${machinePrefix()}${randomUUID()}`;
}

function machinePrefix(): string {
  return `${sha256(hostname()).slice(0, 8)}-`;
}

/** Makes a workspace and locks it until disposed; disposing removes it. */
export async function holdWorkspace(directory: string): Promise<AsyncDisposable> {
  await makeDirectories(directory, 0o755);
  const path = `${directory}${lockSuffix}`;
  // The file gets its name once it is locked; before that, another daemon would consider its owner dead.
  const lock = await tryLock(`${path}.new`);
  await rename(`${path}.new`, path);
  return {
    async [Symbol.asyncDispose]() {
      await unmountBelow(directory);
      await rm(directory, { recursive: true, force: true });
      await rm(path, { force: true });
      lock?.[Symbol.dispose]();
    },
  };
}

/** Ends and removes attempts of dead daemons of this machine next to `directory`. @returns their number */
export async function sweepDead(runners: readonly Runner[], directory: string): Promise<number> {
  const parent = dirname(directory);
  const locks = (await readdir(parent)).filter(
    (name) => name.startsWith(machinePrefix()) && name.endsWith(lockSuffix),
  );
  let swept = 0;
  for (const name of locks) {
    const place = join(parent, name.slice(0, -lockSuffix.length));
    if (basename(place) !== basename(directory)) swept += await sweepIfDead(runners, place);
  }
  return swept;
}

async function sweepIfDead(runners: readonly Runner[], place: string): Promise<number> {
  using lock = await tryLock(`${place}${lockSuffix}`);
  if (!lock) return 0;
  const swept = await sweep(runners, place);
  await rm(place, { recursive: true, force: true });
  await rm(`${place}${lockSuffix}`, { force: true });
  return swept;
}
