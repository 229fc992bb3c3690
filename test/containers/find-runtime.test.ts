import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRuntime } from '@osa/core/runners/container/find-runtime';
import { makeRunners } from '@osa/core/runners/index';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { expect, onTestFinished, test } from 'vitest';

/** A podman that runs containers only when it is given options that match `pattern`; it keeps its arguments in `log`. */
async function fakePodman(pattern: string) {
  const place = await mkdtemp(join(tmpdir(), 'osa-podman-'));
  onTestFinished(() => rm(place, { recursive: true }));
  const log = join(place, 'log');
  const script = `#!/bin/sh
echo "$*" >> ${log}
case "$*" in
  --version) exit 0 ;;
  *info*) echo '{"name":"runc","version":"runc version 1.2.0"}'; exit 0 ;;
  ${pattern}) exit 127 ;;
  *run*) echo "Error: no such cgroups" >&2; exit 126 ;;
esac
`;
  await writeFile(join(place, 'podman'), script, { mode: 0o755 });
  const environment = { ...process.env, PATH: `${place}:${process.env.PATH}` };
  return { place, environment, calls: async () => (await readFile(log, 'utf8')).trim().split('\n') };
}

async function warnings(
  podman: Awaited<ReturnType<typeof fakePodman>>,
  engineOptions: readonly string[] = [],
) {
  const said: string[] = [];
  await makeRunners('auto', {
    isDevelopment: false,
    requiresSafeRuntime: true,
    blobs: filesystemBlobs(podman.place),
    environment: podman.environment,
    engineOptions,
    pullTimeoutMs: 1_000,
    warn: (message, { why }) => said.push(`${message} (${why})`),
  });
  return said.filter((message) => message.includes('podman'));
}

test("podman's own choice is taken when it works, and nothing is said", async () => {
  const podman = await fakePodman('run*');
  expect(await findRuntime(podman.environment)).toEqual({ options: [], flaws: [] });
  expect(await warnings(podman)).toEqual([]);
});

test('another runtime and cgroup manager are found, and named when the runner is made', async () => {
  const options = ['--runtime', 'crun', '--cgroup-manager', 'cgroupfs'];
  const podman = await fakePodman(`"${options.join(' ')} run"*`);
  const { options: found, flaws } = await findRuntime(podman.environment);
  expect(found).toEqual(options);
  expect(flaws).toHaveLength(3);
  expect(flaws[0]).toBe("podman's own choice: no such cgroups");
  expect(await warnings(podman)).toEqual([expect.stringContaining(options.join(' '))]);
});

test('a podman that can run nothing is reported with each reason, and the runner is made all the same', async () => {
  const podman = await fakePodman('nothing');
  const { options, flaws } = await findRuntime(podman.environment);
  expect(options).toBeUndefined();
  expect(flaws).toHaveLength(5);
  expect(await warnings(podman)).toEqual([expect.stringMatching(/^podman cannot run .*no such cgroups/)]);
});

test('nothing is tried when the options are given', async () => {
  const podman = await fakePodman('nothing');
  expect(await warnings(podman, ['--log-level=error'])).toEqual([]);
  expect(await podman.calls()).toEqual(['--version', expect.stringMatching(/^--log-level=error info /)]);
});
