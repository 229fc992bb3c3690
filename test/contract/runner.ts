import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bounds } from '@osa/core/limits';
import type { Ended, Runner, Task } from '@osa/core/run/runner';
import { sweep } from '@osa/core/runners/shared/sweep';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

export interface RunnerUnderTest {
  readonly runner: Runner;
  /** Exists, and is empty. */
  readonly workspace: string;
  /** A release of a shell script for this runner; the script is run by a POSIX shell. */
  release(script: string): Promise<Pick<Task['release'], 'runtime' | 'image' | 'digest' | 'command'>>;
  close(): Promise<void>;
}

interface Options {
  readonly id?: string;
  readonly records?: Task['records'];
  readonly config?: Task['release']['config'];
  readonly timeoutSeconds?: number;
  readonly digest?: string;
  readonly signal?: AbortSignal;
}

/** The promises of every runner, whatever it starts code with. */
export function runnerContract(name: string, make: () => Promise<RunnerUnderTest>): void {
  describe(`${name} as a runner`, () => {
    let made: RunnerUnderTest;
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.close());

    async function run(script: string, options: Options = {}): Promise<Ended> {
      const { digest, ...release } = await made.release(script);
      const limits = {
        memory_bytes: 2 ** 26,
        cpu_millicores: 1_000,
        timeout_seconds: options.timeoutSeconds ?? 60,
      };
      const task: Task = {
        id: options.id ?? 'task-1',
        workspace: made.workspace,
        hook: 'a_hook',
        release: { ...release, digest: options.digest ?? digest, config: options.config ?? {}, limits },
        memoryBytes: limits.memory_bytes,
        records: options.records ?? [],
      };
      return made.runner.run(task, options.signal ?? new AbortController().signal);
    }

    test('gives the code its records, config and places, and hands back output, log and digest', async () => {
      const script = `cat "$OSA_IN/records.jsonl" "$OSA_IN/config.json" > "$OSA_OUT/seen"
        echo "$OSA_HOOK_NAME"; test -d "$OSA_FILES" && echo files >&2`;
      const records = [
        { id: '../../x', metadata: '{"n":1.10,"big":12345678901234567890}' },
        { id: 'é\n"', metadata: '{}' },
      ];
      const ending = await run(script, { records, config: { b: 1, a: 'x' } });
      expect(ending).toMatchObject({ ending: 'exited', exitCode: 0, exitSignal: null });
      expect(ending.resolvedDigest).toBe((await made.release(script)).digest);
      expect(await readFile(join(ending.outputDirectory, 'seen'), 'utf8')).toBe(
        '{"id":"../../x","metadata":{"n":1.10,"big":12345678901234567890},"size_hint_mb":0}\n' +
          '{"id":"é\\n\\"","metadata":{},"size_hint_mb":0}\n{"a":"x","b":1}',
      );
      expect(Buffer.from(ending.log).toString().split('\n').sort()).toEqual(['', 'a_hook', 'files']);
      await ending.dispose();
      expect(await readdir(made.workspace)).toEqual([]);
    });

    test('writes an empty config as {}', async () => {
      expect(await run('test "$(cat "$OSA_IN/config.json")" = "{}"')).toMatchObject({
        ending: 'exited',
        exitCode: 0,
      });
    });

    test('reports an exit code', async () => {
      expect(await run('exit 7')).toMatchObject({ ending: 'exited', exitCode: 7, exitSignal: null });
    });

    test('ends code that ignores SIGTERM after its time', async () => {
      const ending = await run(`trap '' TERM; while :; do sleep 1; done`, { timeoutSeconds: 1 });
      expect(ending).toMatchObject({ ending: 'timeout', exitSignal: 'SIGKILL' });
    });

    test('calls code that obeys SIGTERM a timeout all the same', async () => {
      const script = `trap 'exit 0' TERM; while :; do sleep 0.1; done`;
      expect(await run(script, { timeoutSeconds: 1 })).toMatchObject({ ending: 'timeout', exitCode: 0 });
    });

    test('kills code at once when it is cancelled, and starts none when it was before', async () => {
      const forever = 'touch "$OSA_OUT/ready"; while :; do sleep 1; done';
      const cancel = new AbortController();
      const running = run(forever, { signal: cancel.signal });
      const ready = join(made.workspace, 'task-1', 'out', 'ready');
      await expect.poll(() => existsSync(ready), { timeout: 20_000 }).toBe(true);
      cancel.abort();
      expect(await running).toMatchObject({ ending: 'cancelled', exitSignal: 'SIGKILL' });
      const reason = new Error('stop');
      const aborted = { id: 'task-2', signal: AbortSignal.abort(reason) };
      await expect(run(forever, aborted)).rejects.toBe(reason);
    });

    test('kills code whose output outgrows its bound', async () => {
      const huge = `dd if=/dev/zero of="$OSA_OUT/big" bs=1 count=1 seek=${bounds.outputBytes} 2> /dev/null`;
      expect(await run(`${huge}; exit 0`)).toMatchObject({ ending: 'output_too_large' });
      const flood = `cd "$OSA_OUT"; n=0; while :; do n=$((n + 1)); : > $n; done`;
      expect(await run(flood, { id: 'task-2' })).toMatchObject({ ending: 'output_too_large' });
    });

    test('starts each attempt in a directory of its own, that it found empty', async () => {
      for (const id of ['first', 'second']) {
        const ending = await run('ls -A "$OSA_OUT"; touch "$OSA_OUT/left"', { id });
        expect(Buffer.from(ending.log).toString()).toBe('');
      }
    });

    test.each(['../../x', '', '.', 'a/b', 'x\n', 'y'.repeat(200)])('refuses the task id %j', async (id) => {
      await expect(run('', { id })).rejects.toMatchObject({ code: 'invalid', field: 'id' });
      expect(await readdir(made.workspace)).toEqual([]);
    });

    test('knows no other runtime', async () => {
      const other = made.runner.runtimes.includes('image') ? 'directory' : 'image';
      const { runtime: _, ...release } = await made.release('');
      const foreign = { ...made, release: async () => ({ ...release, runtime: other }) as const };
      made = foreign;
      await expect(run('')).rejects.toMatchObject({ code: 'invalid', field: 'release.runtime' });
    });

    test('finds nothing to sweep where nothing was left', async () => {
      expect(await sweep([made.runner], made.workspace)).toBe(0);
      expect(await sweep([made.runner], join(made.workspace, 'missing'))).toBe(0);
    });
  });
}
