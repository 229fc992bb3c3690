import { setTimeout as delay } from 'node:timers/promises';
import { asOsaError } from '../../error.ts';
import type { Engine } from './engine.ts';

/** Milliseconds between tries to remove what the engine did not remove. */
const againMs = 2_000;

/** Kills what lives of them and removes them with their volumes; one that is gone is no error. */
export async function removeContainers(engine: Engine, containers: readonly string[]): Promise<void> {
  if (containers.length === 0) return;
  if ((await engine.call(['rm', '--force', '--volumes', ...containers])).ok) return;
  for (const container of containers) {
    // Only its own word for it: an engine that is away does not find the container either.
    const { ok, stderr } = await engine.call(['container', 'inspect', container]);
    if (ok || !/no such (container|object)/i.test(stderr)) {
      await engine.require(['rm', '--force', '--volumes', container]);
    }
  }
}

/** Told of a container that the engine does not remove, at the first try. */
export type OnLeft = (container: string, error: Error) => void;

/**
 * Removes a container. While the engine cannot, it is asked again and again, since code without a lease must not live
 * on; the answer does not wait for that. What is left when the process ends, the next daemon sweeps.
 */
export function containerRemoval(engine: Engine, onLeft: OnLeft): (container: string) => Promise<void> {
  const insist = async (container: string) => {
    for (;;) {
      await delay(againMs, undefined, { ref: false });
      if ((await refusal(engine, container)) === undefined) return;
    }
  };
  return async (container) => {
    const refused = await refusal(engine, container);
    if (refused === undefined) return;
    onLeft(container, refused);
    void insist(container);
  };
}

async function refusal(engine: Engine, container: string): Promise<Error | undefined> {
  try {
    await removeContainers(engine, [container]);
    return undefined;
  } catch (error) {
    const known = asOsaError(error);
    if (!known) throw error;
    return known;
  }
}
