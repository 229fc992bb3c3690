import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@osa/core/hook/release';
import type { Ended, InputRecord, Runner, Task } from '@osa/core/run/runner';
import { sweep } from '@osa/core/runners/shared/sweep';
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest';
import { longestBusy } from '../busy.ts';
import { until } from '../database/database.ts';
import { type BuiltImage, buildImage, missing, podman, podmanRunner, removeImages } from './images.ts';

/** Hooks in containers, for tests: single tasks that the real runner runs. */

/** Whether containers can be run here. With OSA_REQUIRE_CONTAINERS=1 their absence is a failure, not a skip. */
export const hasContainers = missing.length === 0;

/** A `describe` for what needs containers; skipped by name where they are missing. */
export function describeContainers(name: string, tests: () => void): void {
  if (!hasContainers && process.env.OSA_REQUIRE_CONTAINERS === '1') {
    throw new Error(`OSA_REQUIRE_CONTAINERS=1, and this machine lacks ${missing.join(', ')}`);
  }
  const why = hasContainers ? '' : ` (skipped: this machine lacks ${missing.join(', ')})`;
  describe.skipIf(!hasContainers)(`${name}${why}`, tests);
}

export interface TaskOptions {
  readonly id?: string;
  readonly records?: readonly InputRecord[];
  readonly config?: Task['release']['config'];
  readonly memoryMiB?: number;
  readonly timeoutSeconds?: number;
  readonly cpuMillicores?: number;
  readonly signal?: AbortSignal;
  readonly runner?: Runner;
}

export interface ContainerBench {
  /** Where attempts have their directories. */
  readonly workspace: string;
  readonly runner: Runner;
  task(image: BuiltImage, options?: TaskOptions): Task;
  /** Runs one task of an image with the real runner. */
  run(image: BuiltImage, options?: TaskOptions): Promise<Ended>;
  /** Runs one task of an image until it must end, at the latest by the end of the test. */
  start(image: BuiltImage, options?: TaskOptions): { end(): Promise<Ended> };
  /** Builds an image of a shell script and runs it. */
  runScript(script: string, options?: TaskOptions): Promise<Ended>;
  /** Runs a script that must end well, and gives what it said. */
  printed(script: string, options?: TaskOptions): Promise<string>;
  /** Waits until code has made a file of this name in its output. */
  marked(id: string, name: string): Promise<void>;
  /** Containers of this workspace, running or not, by id, once every end has been disposed of. */
  containers(): Promise<string[]>;
  /** Those that run. */
  running(): Promise<string[]>;
  /** Also asserts that no task has held up this thread. */
  dispose(): Promise<void>;
}

/** A bench for all tests of a suite, which leave no container behind. */
export function suiteBench(give: (bench: ContainerBench) => void): void {
  let bench: ContainerBench;
  beforeAll(async () => {
    bench = await containerBench();
    give(bench);
  });
  afterAll(async () => {
    const left = await bench.containers();
    await bench.dispose();
    await removeImages();
    expect(left).toEqual([]);
  });
}

/** A place to run single tasks in. */
export async function containerBench(): Promise<ContainerBench> {
  const place = await mkdtemp(join(tmpdir(), 'osa-containers-'));
  const workspace = join(place, 'work');
  await mkdir(workspace);
  const runner = podmanRunner();
  let count = 0;
  const task: ContainerBench['task'] = (image, options = {}) => {
    count += 1;
    return taskOf(image, { workspace, id: `task-${process.pid}-${count}`, ...options });
  };
  let longestStallMs = 0;
  const unsettled = new Set<() => Promise<void>>();
  const listed = async (...which: string[]) => {
    const label = `osa.workspace=${sha256(await realpath(workspace)).slice(0, 32)}`;
    const ids = await podman('ps', ...which, '--quiet', '--no-trunc', '--filter', `label=${label}`);
    return ids.split('\n').filter((line) => line !== '');
  };
  const run: ContainerBench['run'] = async (image, options = {}) => {
    const work = (options.runner ?? runner).run(
      task(image, options),
      options.signal ?? new AbortController().signal,
    );
    const stallMs = await longestBusy(async () => void (await Promise.allSettled([work])));
    longestStallMs = Math.max(longestStallMs, stallMs);
    const ended = await work;
    const dispose = async () => {
      if (!unsettled.delete(dispose)) return;
      await ended.dispose();
      await (options.runner ?? runner).settle?.();
    };
    unsettled.add(dispose);
    return { ...ended, dispose };
  };
  const runScript: ContainerBench['runScript'] = async (script, options) =>
    run(await buildImage({ script }), options);
  return {
    workspace,
    runner,
    task,
    run,
    start(image, options) {
      const abort = new AbortController();
      const running = run(image, { ...options, signal: abort.signal });
      const end = () => {
        abort.abort();
        return running;
      };
      onTestFinished(async () => void (await end()));
      return { end };
    },
    runScript,
    async printed(script, options) {
      const ending = await runScript(script, options);
      const log = logOf(ending);
      expect(ending, log).toMatchObject({ ending: 'exited', exitCode: 0 });
      await ending.dispose();
      return log;
    },
    async marked(id, name) {
      await until(`${name} of ${id}`, async () => existsSync(join(workspace, id, 'out', name)));
    },
    async containers() {
      for (const dispose of unsettled) await dispose();
      await runner.settle?.();
      return listed('--all');
    },
    running: () => listed(),
    async dispose() {
      unsettled.clear();
      await sweep([runner], workspace);
      await rm(place, { recursive: true, force: true });
      // Whatever a hook did, the daemon would have gone on answering.
      expect(longestStallMs).toBeLessThan(100);
    },
  };
}

function taskOf(
  { image, digest }: BuiltImage,
  options: TaskOptions & { readonly workspace: string; readonly id: string },
): Task {
  const memoryBytes = (options.memoryMiB ?? 64) * 2 ** 20;
  return {
    id: options.id,
    workspace: options.workspace,
    hook: 'a_hook',
    release: {
      runtime: 'image',
      image,
      digest,
      command: null,
      config: options.config ?? {},
      limits: {
        memory_bytes: memoryBytes,
        cpu_millicores: options.cpuMillicores ?? 1_000,
        timeout_seconds: options.timeoutSeconds ?? 60,
      },
    },
    memoryBytes,
    records: options.records ?? [],
  };
}

/** The runner's stdout and stderr. */
export function logOf(ending: Pick<Ended, 'log'>): string {
  return Buffer.from(ending.log).toString();
}
