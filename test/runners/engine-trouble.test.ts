import { writeFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import {
  type ContainerBench,
  describeContainers,
  suiteBench,
} from '../support/containers/container-support.ts';
import { buildImage, podman } from '../support/containers/images.ts';
import { standIn } from '../support/containers/stand-in.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Operators and an ill engine, while a hook runs: its output counts only when its end is known. */

let bench: ContainerBench;
describeContainers('a container', () => {
  suiteBench((made) => {
    bench = made;
  });

  /** Answers in two halves, a minute apart. */
  const halves = `echo half >> $OSA_OUT/features.jsonl; touch $OSA_OUT/started; sleep 60; echo whole >> $OSA_OUT/features.jsonl`;

  test('that somebody removes is not made again over the output of the first', async () => {
    const image = await buildImage({ script: `[ -s $OSA_IN/records.jsonl ] || exit 0; ${halves}` });
    // Its end is asked for once it is gone; before that it has ended by SIGKILL.
    await using engine = await standIn(
      `case "$2 $3" in 'inspect osa-'*-removed-*) while [ ! -e $asked ]; do sleep 0.05; done;; esac`,
    );
    const { runner } = engine;
    // From then on the runner remembers the image, and would look for it again if it were gone.
    await (await bench.run(image, { records: [], runner })).dispose();
    const id = `removed-${crypto.randomUUID()}`;
    const records = [{ id: 'a', metadata: '{}' }];
    const ended = expect(bench.run(image, { id, runner, records })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('somebody removed the container'),
    });
    await bench.marked(id, 'started');
    await podman('rm', '--force', ...(await bench.running()));
    await writeFile(engine.asked, '');
    await ended;
    expect(engine.count(/^run /)).toBe(2);
  });

  test('that is paused has not ended when the command of the engine dies', async () => {
    const image = await buildImage({ script: halves });
    await using engine = await standIn(
      `[ "$1" = run ] && { $real "$@" & while [ ! -e $asked ]; do sleep 0.05; done; kill -9 $!; exit 137; }`,
    );
    const id = `paused-${crypto.randomUUID()}`;
    const ended = expect(bench.run(image, { id, runner: engine.runner })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('which is paused'),
    });
    await bench.marked(id, 'started');
    await podman('pause', ...(await bench.running()));
    await writeFile(engine.asked, '');
    await ended;
    expect(await bench.containers()).toEqual([]);
  });

  test.each([
    ['image inspect', '<html>gateway</html>'],
    ['image inspect', '[{}]'],
    ['container inspect', ''],
    ['container inspect', '[null]'],
    ['container inspect', '{}'],
  ])('waits for an engine that answers "%s" with %j', async (question, answer) => {
    const image = await buildImage({ script: 'echo one' });
    await using engine = await standIn(`[ "$1 $2" = '${question}' ] && { echo '${answer}'; exit 0; }`);
    await expect(bench.run(image, { runner: engine.runner })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`the answer to podman ${question} cannot be read`),
    });
  });

  test.each(['<html>gateway</html>', '--all', '\\0\\377'])(
    'that is left is looked for again when the engine lists %j',
    async (answer) => {
      await using engine = await standIn(`[ "$1" = ps ] && { printf -- '${answer}'; exit 0; }`);
      await expect(engine.runner.sweep(bench.workspace)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('the answer to podman ps cannot be read'),
      });
      expect(engine.count(/^rm /)).toBe(0);
    },
  );
});
