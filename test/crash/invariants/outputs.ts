import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HookOrder, Point, Reached } from '../control.ts';

/** A hook that is a process, and when it was seen to have ended. */
export interface Life {
  /** Run, fence and attempt. */
  readonly task: string;
  readonly daemon: number;
  readonly pid: number;
  endedAt?: number;
}

export interface Outputs extends AsyncDisposable {
  /** All that lived long enough to be seen. */
  readonly lives: readonly Life[];
}

const lookAgainMs = 25;
const question = /^at-(mid-output|last-byte)$/;

/**
 * A hook that waits has made a file `at-…` in its output directory, and goes on with the order that is written there.
 * Looks for them until it is closed; then hooks that are still there are ended.
 */
export function watchOutputs(
  directory: string,
  daemons: number,
  decide: (reached: Reached) => Promise<HookOrder>,
): Outputs {
  const closed = new AbortController();
  const answering = new Map<string, Promise<void>>();
  const lives = new Map<string, Life>();
  const look = async (daemon: number) => {
    const workspace = join(directory, `d${daemon}/work`);
    for (const task of await namesIn(workspace)) {
      const place = join(workspace, task);
      const names = await namesIn(join(place, 'out'));
      // It has told its pid before it asks, so that is looked for after that.
      const pid = lives.get(task)?.pid ?? (await pidIn(place));
      if (pid !== undefined && !lives.has(task)) lives.set(task, { task, daemon, pid });
      for (const name of names) {
        const [, step] = question.exec(name) ?? [];
        const path = join(place, 'out', name);
        if (step === undefined || answering.has(path) || !(await isEmpty(path))) continue;
        const decided = decide({ point: pointOf(step, pid), daemon, task, pid });
        const answered = decided.then((order) => answer(path, order, closed.signal));
        answering.set(
          path,
          answered.finally(() => answering.delete(path)),
        );
      }
    }
  };
  const watching = (async () => {
    while (!closed.signal.aborted) {
      for (let daemon = 0; daemon < daemons; daemon += 1) await look(daemon);
      for (const life of living(lives)) if (!(await isAlive(life))) life.endedAt = Date.now();
      await delay(lookAgainMs);
    }
  })();
  return {
    get lives() {
      return [...lives.values()];
    },
    async [Symbol.asyncDispose]() {
      closed.abort();
      await watching;
      await Promise.all(answering.values());
      for (const life of living(lives)) if (await isAlive(life)) process.kill(-life.pid, 'SIGKILL');
    },
  };
}

/** A container does not tell its pid, which would be nobody's here. */
function pointOf(step: string, pid: number | undefined): Point {
  if (pid !== undefined) return 'process.mid-output';
  return step === 'mid-output' ? 'container.mid-output' : 'container.last-byte';
}

function living(lives: ReadonlyMap<string, Life>): Life[] {
  return [...lives.values()].filter(({ endedAt }) => endedAt === undefined);
}

async function pidIn(place: string): Promise<number | undefined> {
  const text = await readFile(join(place, 'tmp/pid'), 'utf8').catch(() => '');
  return text.endsWith('\n') ? Number(text) : undefined;
}

/** One that has ended and was not reaped has no environment any more. */
async function isAlive({ pid, task }: Life): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  return environment.includes(`/${task}/tmp`);
}

/** Whether nothing has been answered, unless another attempt asks in the same place. */
async function isEmpty(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === 0;
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
