import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from './engine.ts';

/** Milliseconds between tries to remove what the engine did not remove. */
const againMs = 2_000;

/** Kills those that live and removes all with their volumes; a missing one is not an error. */
export async function removeContainers(engine: Engine, containers: readonly string[]): Promise<void> {
  if (containers.length === 0) return;
  if ((await engine.call(['rm', '--force', '--volumes', ...containers])).ok) return;
  for (const container of containers) {
    // Only its own word for it: an engine that is away does not find the container either.
    if (await isThere(engine, container)) {
      await engine.require(['rm', '--force', '--volumes', container]);
    }
  }
}

async function isThere(engine: Engine, container: string): Promise<boolean> {
  const { ok, stderr } = await engine.call(['container', 'inspect', container]);
  return ok || !isUnknown(stderr);
}

/** Whether the engine says that it has no such container. */
export function isUnknown(complaint: string): boolean {
  return /no such (container|object)/i.test(complaint);
}

/** Called for a container that the engine does not remove at the first try. */
export type OnLeft = (container: string, error: Error) => void;

export interface ContainerRemoval {
  /** Resolves when the engine has removed the container, or has refused to. */
  remove(container: string): Promise<void>;
  /** Resolves when all those that were asked for have been tried. */
  settle(): Promise<void>;
}

/**
 * Removes containers. Those that are to be removed while the engine removes others go together in its next call, which
 * costs little more than one. While the engine cannot, it is asked again and again, since code without a lease must not
 * live on; the answer does not wait for that. The next daemon sweeps those that are left when the process ends.
 */
export function containerRemoval(engine: Engine, onLeft: OnLeft): ContainerRemoval {
  let waiting: string[] = [];
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  const removeWaiting = async () => {
    const containers = waiting;
    waiting = [];
    next = undefined;
    if (containers.length > 1 && (await refusal(engine, containers)) === undefined) return;
    for (const container of containers) await removeOne(engine, container, onLeft);
  };
  return {
    remove(container) {
      waiting.push(container);
      next ??= underWay.then(removeWaiting);
      underWay = next;
      return next;
    },
    async settle() {
      await underWay;
    },
  };
}

async function removeOne(engine: Engine, container: string, onLeft: OnLeft): Promise<void> {
  const refused = await refusal(engine, [container]);
  if (refused === undefined) return;
  onLeft(container, refused);
  void insist(engine, container);
}

async function insist(engine: Engine, container: string): Promise<void> {
  do await delay(againMs, undefined, { ref: false });
  while ((await refusal(engine, [container])) !== undefined);
}

async function refusal(engine: Engine, containers: readonly string[]): Promise<Error | undefined> {
  try {
    await removeContainers(engine, containers);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
