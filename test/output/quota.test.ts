import { execFile } from 'node:child_process';
import { mkdir, readFile, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bounds } from '@osa/core/limits';
import { removeTree } from '@osa/core/runners/shared/directory';
import { isQuotaExceeded, outputQuota, unmountBelow } from '@osa/core/runners/shared/output-quota';
import { isTooLarge, untilTooLarge } from '@osa/core/runners/shared/output-size';
import { sweep } from '@osa/core/runners/shared/sweep';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { longestBusy } from '../support/busy.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { scratch } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

/** The two bounds of what a hook writes: the file system of its own, and the look at the directory. */

const shell = (script: string, cwd: string) => promisify(execFile)('sh', ['-ec', script], { cwd });

let place: Awaited<ReturnType<typeof scratch>>;
let output: string;
/** With a space, which the table of mounts escapes. */
let workspace: string;
beforeEach(async () => {
  place = await scratch();
  workspace = join(place.path, 'work space');
  output = join(workspace, 'attempt-1', 'out');
  await mkdir(output, { recursive: true });
});
afterEach(async () => {
  await unmountBelow(place.path);
  await removeTree(place.path);
});

const mounts = async () => (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');

// Where containers run, tests are root's and may mount.
describeContainers('the file system of an output', () => {
  beforeEach(async () => {
    await (await outputQuota()).mount(output, join(workspace, 'attempt-1', 'output.img'));
  });

  test('is empty, can hold a whole output, and cannot execute', async () => {
    expect((await shell('ls -A', output)).stdout).toBe('');
    const { bavail, bsize, ffree } = await statfs(output);
    expect(bavail * bsize).toBeGreaterThan(bounds.outputBytes + 16 * 2 ** 20);
    expect(bavail * bsize).toBeLessThan(bounds.outputBytes + 128 * 2 ** 20);
    expect(ffree).toBeGreaterThan(bounds.outputEntries);
    expect(await isQuotaExceeded(output)).toBe(false);
    await writeFile(join(output, 'program'), '#!/bin/sh\n', { mode: 0o755 });
    await expect(shell('./program', output)).rejects.toMatchObject({ code: 126 });
  });

  test.each([
    ['blocks that no length shows', 'touch hidden; fallocate --keep-size --length 1025M hidden'],
    ['files that have no name any more', 'exec 3> x; rm x; fallocate --length 1025M /proc/self/fd/3; cat'],
    ['files without end', `seq ${bounds.outputEntries + 20} | xargs touch`],
  ])('is exceeded by %s', async (_what, script) => {
    const child = execFile('sh', ['-ec', script], { cwd: output });
    await untilTooLarge(() => isQuotaExceeded(output), AbortSignal.timeout(20_000));
    expect(await isQuotaExceeded(output)).toBe(true);
    child.stdin?.end();
  });

  test('refuses what would fill the disk of the host', async () => {
    await expect(shell('fallocate --length 2G big', output)).rejects.toMatchObject({
      stderr: expect.stringContaining('No space left'),
    });
  });

  test('is unmounted by the sweep after a crash, also while a file is open in it', async () => {
    const child = execFile('sh', ['-c', 'exec 3> open; echo; cat'], { cwd: output });
    await new Promise((said) => child.stdout?.once('data', said));
    expect((await mounts()).filter((line) => line.includes(place.path))).toHaveLength(1);
    await sweep([], workspace);
    expect((await mounts()).filter((line) => line.includes(place.path))).toEqual([]);
    expect((await shell('ls -A', workspace)).stdout).toBe('');
    child.stdin?.end();
  });
});

describeContainers('where no file system can be mounted', () => {
  test('the runner says so when it is made, and why', async () => {
    const fixture = join(import.meta.dirname, '../support/fixtures', 'make-runner.ts');
    const withoutMount = ['--bounding-set', '-sys_admin', process.execPath, fixture, place.path];
    const { stdout } = await promisify(execFile)('setpriv', withoutMount);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const warning = lines.find(({ message }) => message?.includes('soft'));
    expect(warning).toMatchObject({ details: { why: expect.stringMatching(/^mount /) } });
    expect(lines.at(-1)).toEqual({ name: 'podman' });
  });
});

describe('a look at an output', () => {
  test('counts blocks where they are more than the length', async () => {
    await shell('touch hidden; fallocate --keep-size --length 1025M hidden', output);
    expect(await isTooLarge(output)).toBe(true);
  });

  test('counts lengths where they are more than the blocks', async () => {
    await writeFile(join(output, 'holes'), '');
    await truncate(join(output, 'holes'), bounds.outputBytes);
    expect(await isTooLarge(output)).toBe(false);
    await truncate(join(output, 'holes'), bounds.outputBytes + 1);
    expect(await isTooLarge(output)).toBe(true);
  });

  test('takes what it cannot reach for too large', async () => {
    const name = 'd'.repeat(250);
    await shell(`for n in $(seq 20); do mkdir ${name}; cd -P ${name}; done`, output);
    expect(await isTooLarge(output)).toBe(true);
  });

  test('at as many files as there may be holds nobody up', async () => {
    await shell(`seq ${bounds.outputEntries - 100} | xargs touch`, output);
    const looks = Array.from({ length: 8 }, () => isTooLarge(output));
    const stallMs = await longestBusy(async () => {
      expect(await Promise.all(looks)).toEqual(looks.map(() => false));
    });
    expect(stallMs).toBeLessThan(100);
    await shell('seq 200 | sed s/^/more-/ | xargs touch', output);
    expect(await isTooLarge(output)).toBe(true);
  });
});
