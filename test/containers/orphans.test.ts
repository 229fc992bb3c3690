import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sweep } from '@osa/core/runners/shared/sweep';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type ContainerBench,
  containerBench,
  describeContainers,
} from '../support/containers/container-support.ts';
import { buildImage, podman, podmanPath, podmanRunner, removeImages } from '../support/containers/images.ts';
import { scratch, until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

describeContainers('the containers of a daemon that died', () => {
  let bench: ContainerBench;
  let living: ContainerBench;
  beforeEach(async () => {
    bench = await containerBench();
    living = await containerBench();
  });
  afterEach(async () => {
    await bench.dispose();
    await living.dispose();
  });
  afterAll(removeImages);

  test('are removed with their directories at the next start; those of another daemon live on', async () => {
    const image = await buildImage({ script: 'touch $OSA_OUT/started; while :; do sleep 1; done' });
    const task = JSON.stringify(bench.task(image));
    const fixture = join(import.meta.dirname, '../support/fixtures', 'run-one-container.ts');
    const daemon = spawn(process.execPath, [fixture, task], { stdio: 'ignore' });
    const abort = new AbortController();
    const other = living.run(image, { signal: abort.signal });
    for (const { workspace } of [bench, living]) {
      await until(`code in ${workspace}`, async () => {
        const [attempt = ''] = await readdir(workspace);
        return (await readdir(join(workspace, attempt, 'out')).catch((): string[] => [])).includes('started');
      });
    }
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    expect(await bench.containers()).toHaveLength(1);

    expect(await sweep([podmanRunner()], bench.workspace)).toBe(1);
    expect(await bench.containers()).toEqual([]);
    expect(await readdir(bench.workspace)).toEqual([]);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(bench.workspace);
    const [survivor = ''] = await living.containers();
    expect(await podman('container', 'inspect', survivor, '--format', '{{.State.Running}}')).toBe('true');
    abort.abort();
    expect(await other).toMatchObject({ ending: 'cancelled' });
  });

  test('are found also when they were made and never started', async () => {
    const image = await buildImage({ script: 'true' });
    // A daemon that dies between the two steps leaves it like this.
    const labels = await ownLabels(bench);
    await podman(
      'create',
      ...labels.flatMap((label) => ['--label', label]),
      '--network',
      'none',
      image.image,
    );
    expect(await bench.containers()).toHaveLength(1);
    await sweep([bench.runner], bench.workspace);
    expect(await bench.containers()).toEqual([]);
  });

  test('cannot be looked for without an engine, and then nothing is taken for gone', async () => {
    const runner = podmanRunner(1_000, { PATH: '/nowhere' });
    await expect(sweep([runner], bench.workspace)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describeContainers('a container that the engine does not remove', () => {
  test('is logged, does not cost the result, and is removed when the engine can', async () => {
    await using stack = new AsyncDisposableStack();
    const bench = await containerBench();
    stack.defer(() => bench.dispose());
    stack.defer(removeImages);
    const place = await scratch();
    stack.defer(() => place.dispose());
    const refusing = join(place.path, 'refusing');
    const script = `#!/bin/sh
[ "$1" = rm ] && [ -e '${refusing}' ] && { echo 'Error: not now' >&2; exit 125; }
exec '${await podmanPath()}' "$@"
`;
    await writeFile(join(place.path, 'podman'), script, { mode: 0o755 });
    await writeFile(refusing, '');
    const left: string[] = [];
    const runner = podmanRunner(
      1_000,
      { PATH: `${place.path}:${process.env.PATH}` },
      (container, { message }) => left.push(`${container}: ${message}`),
    );
    const ending = await bench.run(await buildImage({ script: 'echo done' }), { runner });
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0 });
    await ending.dispose();
    expect(left).toEqual([expect.stringMatching(/^osa-.*: podman rm --force: not now/)]);
    expect(await bench.containers()).toHaveLength(1);
    await rm(refusing);
    await until('the container’s end', async () => (await bench.containers()).length === 0);
    expect(left).toHaveLength(1);
  });
});

/** The labels that the runner gives, read from a container of its own. */
async function ownLabels(bench: ContainerBench): Promise<string[]> {
  const abort = new AbortController();
  const image = await buildImage({ script: 'sleep 60' });
  const running = bench.run(image, { signal: abort.signal });
  const id = await until('the container', async () => (await bench.containers())[0]);
  const [found] = JSON.parse(await podman('container', 'inspect', id)) as {
    Config: { Labels: Record<string, string> };
  }[];
  abort.abort();
  await running;
  const labels = Object.entries(found?.Config.Labels ?? {});
  return labels.filter(([name]) => name.startsWith('osa.')).map(([name, value]) => `${name}=${value}`);
}
