import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HookOrder, Reached } from './control.ts';

const lookAgainMs = 25;
const question = /^at-(mid-output|last-byte)$/;

/**
 * Hooks in containers reach nobody: one that waits has made a file `at-…` in its output directory, and goes on with
 * the order that is written there. Looks for them until it is closed.
 */
export function watchOutputs(
  directory: string,
  daemons: number,
  decide: (reached: Reached) => Promise<HookOrder>,
): AsyncDisposable {
  const closed = new AbortController();
  const answering = new Map<string, Promise<void>>();
  const look = async (daemon: number) => {
    const workspace = join(directory, `d${daemon}/work`);
    for (const task of await namesIn(workspace)) {
      const output = join(workspace, task, 'out');
      for (const name of await namesIn(output)) {
        const [, step] = question.exec(name) ?? [];
        const path = join(output, name);
        if (step === undefined || answering.has(path)) continue;
        const point = step === 'mid-output' ? 'container.mid-output' : 'container.last-byte';
        const decided = decide({ point, daemon, task });
        answering.set(
          path,
          decided.then((order) => answer(path, order, closed.signal)),
        );
      }
    }
  };
  const watching = (async () => {
    while (!closed.signal.aborted) {
      for (let daemon = 0; daemon < daemons; daemon += 1) await look(daemon);
      await delay(lookAgainMs);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      closed.abort();
      await watching;
      await Promise.all(answering.values());
    },
  };
}

/** The disk may be full for a while; the one who asked may be gone. */
async function answer(path: string, order: HookOrder, closed: AbortSignal): Promise<void> {
  while (!closed.aborted) {
    const failure = await writeFile(path, `${order}\n`, { flag: 'r+' }).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    if (failure?.code !== 'ENOSPC') return;
    await delay(lookAgainMs);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
