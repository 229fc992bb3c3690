import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packZip } from '@osa/cli/commands/data/export/zip';
import { unwritable } from '@osa/cli/commands/out-place';
import { openRepository } from '@osa/cli/packing/repository';
import { imageSource } from '@osa/cli/packing/source-ref';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, type FakeServer, startFakeServer } from '../support/fixtures/cli-world.ts';
import { writeProject } from '../support/project.ts';

/** A signal ends commands while they read large files of this machine, or a standard input that nobody ends. */

const main = join(import.meta.dirname, '../..', 'packages', 'cli', 'src', 'main.ts');
/** Hashing so many bytes takes longer than a test may. */
const large = 60 * 2 ** 30;
const rules = { accepted_types: [], min_count: 0, max_count: 9, max_file_size: 0 };
const answered = { ...showConvention, id: 'numbers', file_requirements: rules };

let cwd: string;
let server: FakeServer;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'osa-reading-'));
  server = await startFakeServer(() => ({ body: answered }));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(cwd, { recursive: true, force: true });
});

function start(argv: readonly string[]) {
  const env = { PATH: process.env.PATH ?? '', HOME: cwd, OSA_SERVER: server.url, OSA_TOKEN: 'a.b.c' };
  const options = {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    timeout: 20_000,
    killSignal: 'SIGKILL',
  } as const;
  return execa(process.execPath, [main, ...argv], options);
}

async function holds(path: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, '');
  await truncate(path, large);
}

async function isOpen(pid: number | undefined, path: string): Promise<void> {
  const place = `/proc/${pid}/fd`;
  const links = (await readdir(place)).map((fd) => readlink(join(place, fd)).catch(() => ''));
  expect(await Promise.all(links)).toContain(path);
}

async function takesSignals(pid: number | undefined): Promise<void> {
  const [, mask = '0'] = /^SigCgt:\s+([0-9a-f]+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  // The last one that osa takes is SIGHUP, the first bit; Node itself takes the other ones.
  expect(BigInt(`0x${mask}`) & 1n).toBe(1n);
}

const record = { source_id: 'a', metadata: { value: 1 } };

test.each([
  ['deposit', ['deposit', 'numbers', '--file', 'files/a/large.bin']],
  ['ingest', ['ingest', 'numbers', 'records.ndjson', '--files', 'files']],
  ['hooks test', ['hooks', 'test', 'doubled', '--records', 'records.ndjson', '--files', 'files']],
  ['export --verify', ['export', '--verify', 'files']],
])('osa %s ends with 130 while it reads a large file', { timeout: 30_000 }, async (_what, argv) => {
  const path = join(cwd, 'files/a/large.bin');
  await holds(path);
  await writeProject(cwd, { code: '' });
  const text = await readFile(join(cwd, 'convention.yaml'), 'utf8');
  await writeFile(join(cwd, 'convention.yaml'), text.replace('max_count: 0', 'max_count: 9'));
  await writeFile(join(cwd, 'records.ndjson'), `${JSON.stringify(record)}\n`);
  await writeFile(join(cwd, 'files/checksums.sha256'), `${'0'.repeat(64)}  a/large.bin\n`);
  const running = start(argv);
  await vi.waitFor(() => isOpen(running.pid, path), { timeout: 10_000 });
  running.kill('SIGTERM');
  const { exitCode, stderr } = await running;
  expect([exitCode, stderr]).toEqual([130, 'error: interrupted']);
});

test.each([
  ['deposit', ['deposit', 'numbers', '--metadata', '-']],
  ['ingest --check', ['ingest', 'numbers', '-', '--check']],
  ['trace', ['trace', '-']],
  ['verify', ['verify', '-']],
])('osa %s ends with 130 while it waits for standard input', { timeout: 30_000 }, async (_what, argv) => {
  const running = start(argv);
  await vi.waitFor(() => takesSignals(running.pid), { timeout: 10_000 });
  running.kill('SIGINT');
  const { exitCode, stderr } = await running;
  expect([exitCode, stderr]).toEqual([130, 'error: interrupted']);
});

describe('within the process', () => {
  const stop = AbortSignal.abort(new Error('stopped'));

  test('the comparison of a large tracked file with its commit ends', async () => {
    const git = (...args: string[]) =>
      promisify(execFile)('git', ['-C', cwd, '-c', 'user.name=a', '-c', 'user.email=a@example', ...args]);
    await git('init', '--quiet');
    await writeFile(join(cwd, 'model.bin'), 'small');
    await git('add', '.');
    await git('commit', '--quiet', '--message', 'first');
    await truncate(join(cwd, 'model.bin'), large);
    const environment = { PATH: process.env.PATH, HOME: cwd };
    const asked = await openRepository(cwd, environment);
    await expect(imageSource(asked, environment, stop)).rejects.toThrow('stopped');
  });

  test('the packing of a directory ends', async () => {
    await writeFile(join(cwd, 'hook.mjs'), '');
    await expect(packDirectory(cwd, { stop })).rejects.toThrow('stopped');
  });

  test('an interrupted export is not taken for a disk that cannot be written', async () => {
    await writeFile(join(cwd, 'a.csv'), 'a');
    const packing = { directory: cwd, target: join(cwd, '../never.zip'), paths: ['a.csv'], at: new Date(0) };
    const error = await packZip({ ...packing, signal: stop }).catch((cause: unknown) => cause);
    expect(unwritable('never.zip', error)).toBe(error);
  });
});

test.each([
  ['the archive', 0, 65 * 2 ** 30, `an archive takes files of ${64 * 2 ** 30} bytes`],
  ['the convention', 1_000, 1_001, 'the convention takes files of 1000 bytes'],
])('a file larger than %s takes is refused by its size', async (_what, max_file_size, size, why) => {
  await using taking = await startFakeServer(() => ({
    body: { ...answered, file_requirements: { ...rules, max_file_size } },
  }));
  await using world = await createCliWorld();
  await writeFile(join(world.cwd, 'fits.bin'), 'x');
  await writeFile(join(world.cwd, 'large.bin'), '');
  await truncate(join(world.cwd, 'large.bin'), size);
  const environment = { OSA_SERVER: taking.url, OSA_TOKEN: 'a.b.c' };
  const argv = ['deposit', 'numbers', '--file', 'fits.bin', '--file', 'large.bin'];
  const { code, stderr } = await world.osa(argv, { environment });
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
  expect(stderr).toContain(`large.bin" has ${size} bytes`);
  expect(taking.requests).toHaveLength(1);
});

test('a file whose name hides a character is refused before it is read', async () => {
  await using world = await createCliWorld();
  const name = 'a\u202efdp.exe';
  await writeFile(join(world.cwd, name), '');
  await truncate(join(world.cwd, name), large);
  const environment = { OSA_SERVER: server.url, OSA_TOKEN: 'a.b.c' };
  const { code, stderr } = await world.osa(['deposit', 'numbers', '--file', name], { environment });
  expect([code, stderr]).toEqual([2, expect.stringContaining('the invisible character U+202E')]);
  expect(stderr).not.toContain('\u202e');
});
