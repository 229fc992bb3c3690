import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flawOfRuntime } from '@osa/core/runners/container/oldest-runtime';
import { makeRunners } from '@osa/core/runners/index';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { expect, onTestFinished, test } from 'vitest';

test.each([
  ['runc', '1.1.12', null],
  ['runc', '1.1.12+ds1', null],
  ['runc', '1.2.0-rc.1', 'runc_1.1.5+ds1-1+deb12u1_amd64'],
  ['runc', '2.0', null],
  ['runc', '1.1.5+ds1', 'runc_1.1.5+ds1-1+deb12u1_amd64'],
  ['runc', '1.1.5+ds1', 'runc_1.1.5+ds1-1+deb12u12_arm64'],
  ['runc', '1.0.0~rc93+ds1', 'runc_1.0.0~rc93+ds1-5+deb11u3_amd64'],
  ['runc', '1.1.7', 'runc_1.1.7-0ubuntu1~22.04.2_amd64'],
  ['crun', '1.8.1', 'crun_1.8.1-1+deb12u1_amd64'],
  ['crun', '1.4.4', null],
  ['youki', '0.1.0', null],
])('%s %s of package %s is taken', (name, version, installed) => {
  expect(flawOfRuntime({ name, version, package: installed })).toBeUndefined();
});

test.each([
  ['runc', '1.1.11', null],
  ['runc', '1.1.12-rc.1', null],
  ['runc', '1.0.0~rc93+ds1', 'runc_1.0.0~rc93+ds1-5+deb11u2_amd64'],
  ['runc', '1.1.5+ds1', 'runc_1.1.5+ds1-1_amd64'],
  ['runc', '1.1.5+ds1', 'another_1.1.5+ds1-1+deb12u1_amd64'],
  ['runc', '1.1.7', 'runc_1.1.7-0ubuntu1~22.04.1_amd64'],
  ['runc', '', null],
  ['crun', '1.4.3', null],
  ['crun', '0.17', 'crun_0.17+dfsg-1_amd64'],
])('%s %s of package %s is too old', (name, version, installed) => {
  expect(flawOfRuntime({ name, version, package: installed })).toMatch(/1\.1\.12|1\.4\.4/);
});

/** An engine whose answer about itself is a file, and absent without it. */
async function start(answer: string | undefined, parts: { accepted?: string; requires?: boolean } = {}) {
  const place = await mkdtemp(join(tmpdir(), 'osa-floor-'));
  onTestFinished(() => rm(place, { recursive: true }));
  const script = `#!/bin/sh
case "$*" in
  --version) exit 0 ;;
  *info*) cat '${place}/answer' ;;
  *run*) exit 127 ;;
esac
`;
  await writeFile(join(place, 'podman'), script, { mode: 0o755 });
  if (answer !== undefined) await writeFile(join(place, 'answer'), answer);
  const said: string[] = [];
  const [runner] = await makeRunners('podman', {
    isDevelopment: false,
    requiresSafeRuntime: parts.requires ?? true,
    acceptedRuntime: parts.accepted,
    blobs: filesystemBlobs(place),
    environment: { ...process.env, PATH: `${place}:${process.env.PATH}` },
    engineOptions: [],
    pullTimeoutMs: 1_000,
    warn: (message, { why }) => said.push(`${message}: ${why}`),
  });
  const warned = said.filter((message) => message.includes('OCI runtime'));
  return { runner, warned, mend: (text: string) => writeFile(join(place, 'answer'), text) };
}

const info = (version: string, installed = 'Unknown') =>
  JSON.stringify({ name: 'runc', package: installed, version: `runc version ${version}\ncommit: 1` });

test('an old runtime stops the start, and the message names the floor and the way out', async () => {
  await expect(start(info('1.1.5'))).rejects.toMatchObject({
    code: 'usage',
    field: 'OSA_ACCEPTED_RUNTIME',
    message: expect.stringMatching(/runc 1\.1\.12 .*CVE-2024-21626; .*OSA_ACCEPTED_RUNTIME="runc 1\.1\.5"/),
  });
});

test('it is taken on the operator’s word, which is for this version only', async () => {
  expect((await start(info('1.1.5'), { accepted: 'runc 1.1.5' })).warned).toEqual([]);
  await expect(start(info('1.1.4'), { accepted: 'runc 1.1.5' })).rejects.toMatchObject({ code: 'usage' });
  const installed = 'runc_1.1.5+ds1-1_amd64';
  await expect(start(info('1.1.5', installed), { accepted: 'runc 1.1.5' })).rejects.toThrow(installed);
  expect((await start(info('1.1.5', installed), { accepted: installed })).warned).toEqual([]);
});

test('it is only warned of where the code is one’s own', async () => {
  const { warned } = await start(info('1.1.5'), { requires: false });
  expect(warned).toEqual([expect.stringContaining('CVE-2024-21626')]);
});

test('an engine that does not answer at the start is asked again before a container is started', async () => {
  const { runner, warned, mend } = await start(undefined);
  expect(warned).toHaveLength(1);
  const task = { release: { image: null } } as Parameters<NonNullable<typeof runner>['run']>[0];
  await expect(runner?.run(task, new AbortController().signal)).rejects.toMatchObject({
    code: 'unavailable',
  });
  await mend(info('1.1.5'));
  await expect(runner?.run(task, new AbortController().signal)).rejects.toMatchObject({ code: 'usage' });
});
