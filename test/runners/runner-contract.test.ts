import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { bounds } from '@osa/core/limits';
import { processRunner } from '@osa/core/runners/process/process';
import { sweep } from '@osa/core/runners/shared/sweep';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { afterAll, vi } from 'vitest';
import { runnerContract } from '../contract/runner.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { type BuiltImage, buildImage, podmanRunner, removeImages } from '../support/containers/images.ts';

vi.setConfig({ testTimeout: 60_000 });

runnerContract('the process runner', async () => {
  const { place, workspace } = await places();
  const blobs = filesystemBlobs(join(place, 'blobs'));
  const runner = processRunner({ blobs, environment: process.env });
  return {
    runner,
    workspace,
    async release(script) {
      const directory = await mkdtemp(join(place, 'hook-'));
      await writeFile(join(directory, 'hook.sh'), `${script}\n`);
      const { digest, open } = await packDirectory(directory);
      await blobs.put(digest.slice('sha256:'.length), open(), { maxBytes: bounds.blobBytes });
      return { runtime: 'directory', image: null, digest, command: ['sh', 'hook.sh'] };
    },
    close: () => rm(place, { recursive: true }),
  };
});

describeContainers('containers', () => {
  const built = new Map<string, BuiltImage>();
  afterAll(removeImages);

  runnerContract('podman', async () => {
    const { place, workspace } = await places();
    const runner = podmanRunner();
    return {
      runner,
      workspace,
      async release(script) {
        const image = built.get(script) ?? (await buildImage({ script }));
        built.set(script, image);
        return { runtime: 'image', ...image, command: null };
      },
      async close() {
        await sweep([runner], workspace);
        await rm(place, { recursive: true });
      },
    };
  });
});

async function places() {
  const place = await mkdtemp(join(tmpdir(), 'osa-contract-'));
  const workspace = join(place, 'work');
  await mkdir(workspace);
  return { place, workspace };
}
