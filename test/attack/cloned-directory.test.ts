import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimDirectory } from '@osa/daemon/dev/ownership';
import { prepareSpool } from '@osa/daemon/http/spool';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';

/** A repository that brings an `.osa/` of its own must win nothing: it is refused before anything in it is used. */

const main = fileURLToPath(import.meta.resolve('@osa/daemon/main'));
let place: Awaited<ReturnType<typeof scratch>>;
let project: string;
let directory: string;
let treasure: string;
beforeEach(async () => {
  place = await scratch();
  project = join(place.path, 'project');
  directory = join(project, '.osa');
  treasure = join(place.path, 'treasure');
  await mkdir(directory, { recursive: true });
  await mkdir(treasure);
  await writeFile(join(treasure, 'thesis.txt'), 'years of work');
});
afterEach(() => place.dispose());

const ran = () => join(place.path, 'ran');
const script = () => `#!/bin/sh\ntouch ${ran()}\n`;
const claim = ({ adopt = false, state = 'state' } = {}) =>
  claimDirectory(directory, {
    adopt,
    environment: { PATH: process.env.PATH, XDG_STATE_HOME: join(place.path, state) },
  });

const planted: readonly (readonly [what: string, plant: () => Promise<void>])[] = [
  ['a work directory that is a link', () => symlink(treasure, join(directory, 'work'))],
  [
    'a spool that is a link',
    async () => {
      await mkdir(join(directory, 'data'));
      await symlink(treasure, join(directory, 'data', 'spool'));
    },
  ],
  [
    'an initdb of its own',
    async () => {
      const bin = join(directory, 'postgres', 'binaries-18.4.0', 'bin');
      await mkdir(bin, { recursive: true });
      await writeFile(join(bin, 'initdb'), script(), { mode: 0o755 });
    },
  ],
  [
    'a cluster with an archive_command',
    async () => {
      const data = join(directory, 'postgres', 'data');
      await mkdir(data, { recursive: true });
      await writeFile(join(data, 'PG_VERSION'), '18\n');
      await writeFile(
        join(data, 'postgresql.conf'),
        `archive_mode = on\narchive_command = 'touch ${ran()}'\n`,
      );
    },
  ],
  ['a key', () => writeFile(join(directory, 'dev-key.jwk'), '{}', { mode: 0o600 })],
  ['a mark that it made up', () => writeFile(join(directory, 'made-here'), `${'0'.repeat(64)}\n`)],
  [
    'a link in place of the directory',
    async () => {
      await rm(directory, { recursive: true });
      await symlink(treasure, directory);
    },
  ],
];

test.each(planted)('osad --dev refuses %s, and touches and runs nothing', async (_, plant) => {
  await plant();
  if ((await readdir(project)).length > 0 && !(await lstat(directory)).isSymbolicLink()) {
    await writeFile(join(directory, 'lock'), '');
  }
  const { exitCode, stderr } = await execa(process.execPath, [main, '--dev', '--port', '0'], {
    cwd: project,
    reject: false,
    extendEnv: false,
    timeout: 20_000,
    env: { PATH: process.env.PATH ?? '', HOME: place.path },
  });
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(directory)]);
  expect(await readdir(treasure)).toEqual(['thesis.txt']);
  expect(existsSync(ran())).toBe(false);
});

test('a directory that was empty is ours, also after it is renamed; a copy is not until it is adopted', async () => {
  await claim();
  await writeFile(join(directory, 'worker-name'), 'x');
  await claim();
  await rename(project, `${project}-renamed`);
  directory = join(`${project}-renamed`, '.osa');
  await claim();
  const copy = join(place.path, 'copy');
  await cp(directory, copy, { recursive: true });
  directory = copy;
  await expect(claim()).rejects.toMatchObject({ code: 'usage', field: '--dir' });
  await claim({ adopt: true });
  await claim();
});

test('another user’s secret makes another mark', async () => {
  await claim();
  await writeFile(join(directory, 'worker-name'), 'x');
  await expect(claim({ state: 'elsewhere' })).rejects.toMatchObject({ code: 'usage' });
});

test('a link that came in later is refused, adopted or not', async () => {
  await claim();
  await symlink(treasure, join(directory, 'work'));
  await expect(claim()).rejects.toMatchObject({ code: 'usage' });
  await expect(claim({ adopt: true })).rejects.toMatchObject({ code: 'usage' });
});

test('a directory that others can write is refused', async () => {
  await chmod(directory, 0o777);
  await expect(claim()).rejects.toThrow(/chmod go-w/);
});

test('a directory with files that git tracks is refused', async () => {
  await claim();
  await writeFile(join(directory, 'worker-name'), 'x');
  const git = (...args: string[]) => execa('git', args, { cwd: project });
  await git('init', '-q');
  await claim();
  await git('add', '-f', '.osa/worker-name');
  await expect(claim()).rejects.toThrow(/git tracks files in it, such as .*worker-name/);
});

test('emptying the spool leaves what no upload is called, links and what is behind them', async () => {
  const spool = join(place.path, 'spool');
  await mkdir(spool);
  const upload = '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80';
  await writeFile(join(spool, upload), 'left over');
  await writeFile(join(spool, 'notes.txt'), 'kept');
  await symlink(join(treasure, 'thesis.txt'), join(spool, upload.replace('01', '02')));
  await prepareSpool(spool);
  expect((await readdir(spool)).sort()).toEqual([upload.replace('01', '02'), 'notes.txt']);
  await rm(spool, { recursive: true });
  await symlink(treasure, spool);
  await expect(prepareSpool(spool)).rejects.toMatchObject({ code: 'usage' });
  expect(await readdir(treasure)).toEqual(['thesis.txt']);
});
