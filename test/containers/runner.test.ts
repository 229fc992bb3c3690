import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containerRunner } from '@osa/core/runners/container/container-runner';
import { expect, test, vi } from 'vitest';
import {
  type ContainerBench,
  describeContainers,
  logOf,
  suiteBench,
} from '../support/containers/container-support.ts';
import { buildImage, podman, quota } from '../support/containers/images.ts';
import { until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

let bench: ContainerBench;
describeContainers('a hook in a container', () => {
  suiteBench((made) => {
    bench = made;
  });

  test('gets its records, config and places, and its output is handed back', async () => {
    const ending = await bench.runScript(
      `cp $OSA_IN/records.jsonl $OSA_OUT/records; cp $OSA_IN/config.json $OSA_OUT/config
      env | sort > $OSA_OUT/env; ls $OSA_FILES; echo to stdout; echo to stderr >&2`,
      {
        records: [
          { id: 'a', metadata: '{"n":1.10,"big":12345678901234567890}' },
          { id: 'é\n"', metadata: '{}' },
        ],
        config: { b: 1, a: 'x' },
      },
    );
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0, exitSignal: null });
    const written = (name: string) => readFile(join(ending.outputDirectory, name), 'utf8');
    expect(await written('records')).toBe(
      '{"id":"a","metadata":{"n":1.10,"big":12345678901234567890},"size_hint_mb":0}\n' +
        '{"id":"é\\n\\"","metadata":{},"size_hint_mb":0}\n',
    );
    expect(await written('config')).toBe('{"a":"x","b":1}');
    expect(await written('env')).toContain(
      'OSA_FILES=/osa/files\nOSA_HOOK_NAME=a_hook\nOSA_IN=/osa/in\nOSA_OUT=/osa/out\n',
    );
    expect(logOf(ending).split('\n').sort()).toEqual(['', 'to stderr', 'to stdout']);
    await ending.dispose();
    expect(await readdir(bench.workspace)).toEqual([]);
    expect(await bench.containers()).toEqual([]);
  });

  test('is started with the options of the engine', async () => {
    const image = await buildImage({ script: 'exit 0' });
    const withOptions = (...options: string[]) =>
      bench.run(image, {
        runner: containerRunner({
          engine: { name: 'podman', options },
          environment: process.env,
          pullTimeoutMs: 1_000,
          onLeft: () => undefined,
          quota,
        }),
      });
    expect(await withOptions('--runtime', 'runc')).toMatchObject({ ending: 'exited', exitCode: 0 });
    await expect(withOptions('--runtime', 'no-such-runtime')).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('reports an exit code', async () => {
    const ending = await bench.runScript('exit 7');
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 7, exitSignal: null });
    await ending.dispose();
  });

  test('sandbox-13: that kills itself has not run out of memory', async () => {
    // The kernel keeps the first process of a namespace from it, which then says what its child has done.
    const ending = await bench.runScript('kill -9 $$; echo alive; sh -c "kill -9 \\$\\$"; exit $?');
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 137, exitSignal: 'SIGKILL' });
    expect(logOf(ending)).toContain('alive\n');
    await ending.dispose();
  });

  test('that takes more memory than it has is known to have run out of it', async () => {
    const image = await buildImage({ script: 'x=0123456789; while :; do x=$x$x; done' });
    for (let time = 0; time < 3; time += 1) {
      const ending = await bench.run(image);
      expect(ending).toMatchObject({ ending: 'out_of_memory', exitCode: 137 });
      await ending.dispose();
    }
  });

  test('that lost a process for lack of memory and exits with 0 has run out of it, unless it says it is complete', async () => {
    const lost = '(x=0123456789; while :; do x=$x$x; done)';
    const say = (status: string) => `echo '{"status":"${status}"}' >> $OSA_OUT/progress.jsonl`;
    const incomplete = await bench.runScript(`${say('complete')}; ${lost}; ${say('running')}; exit 0`);
    expect(incomplete).toMatchObject({ ending: 'out_of_memory', exitCode: 0 });
    expect(incomplete.detail).toContain('lack of memory');
    await incomplete.dispose();
    const complete = await bench.runScript(`${lost}; ${say('running')}; ${say('complete')}; exit 0`);
    expect(complete).toMatchObject({ ending: 'exited', exitCode: 0 });
    expect(complete.detail).toContain('lack of memory');
    await complete.dispose();
    expect(await bench.runScript('exit 0')).toMatchObject({ ending: 'exited', detail: null });
  });

  test('cannot start in a working directory that is none: that is the fault of the image', async () => {
    const image = await buildImage({ script: 'pwd', files: { '/file': 'x' }, lines: ['WORKDIR /file'] });
    await expect(bench.run(image)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('working directory cannot be used'),
    });
  });

  test('is ended by podman itself when the daemon is gone', async () => {
    const image = await buildImage({ script: 'sleep 60' });
    const abort = new AbortController();
    const running = bench.run(image, { signal: abort.signal, timeoutSeconds: 7 });
    const id = await until('the container', async () => (await bench.containers())[0]);
    expect(await podman('container', 'inspect', id, '--format', '{{.Config.Timeout}}')).toBe('127');
    abort.abort();
    await running;
  });

  test('is killed at once when it is cancelled, and not started when it was before', async () => {
    const image = await buildImage({ script: 'while :; do sleep 1; done' });
    const reason = new Error('stop');
    await expect(bench.run(image, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const signal = AbortSignal.timeout(1_000);
    expect(await bench.run(image, { signal })).toMatchObject({ ending: 'cancelled', exitCode: 137 });
    expect(await bench.running()).toEqual([]);
  });
});
