import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import manifest from '../../../packages/cli/package.json' with { type: 'json' };
import { history } from '../../support/fixtures/cli-answers.ts';
import { type FakeServer, startFakeServer } from '../../support/fixtures/cli-world.ts';

const main = join(import.meta.dirname, '../../..', 'packages', 'cli', 'src', 'main.ts');

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'osa-home-'));
});

afterEach(() => rm(home, { recursive: true, force: true }));

/** The command line as a process of its own, in an empty home. */
function osa(argv: readonly string[], server?: FakeServer) {
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: home, ...(server && { OSA_SERVER: server.url }) };
  return execa(process.execPath, [main, ...argv], { cwd: home, env, extendEnv: false, reject: false });
}

test('prints its version and nothing else', async () => {
  const { exitCode, stdout, stderr } = await osa(['--version']);
  expect([exitCode, stdout, stderr]).toEqual([0, manifest.version, '']);
});

test('gives its exit code, an error without a stack trace, and no colours off a terminal', async () => {
  const { exitCode, stdout, stderr } = await osa(['hooks', 'list']);
  expect([exitCode, stdout]).toEqual([5, '']);
  expect(stderr).toMatch(/^error: no server is configured here; start one with: osa dev/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stderr).not.toContain('\u001b');
});

test('ends with 130 on SIGINT in the middle of a request', async () => {
  const { promise: never, resolve: letGo } = Promise.withResolvers<'cut'>();
  await using server = await startFakeServer(() => never);
  const running = osa(['hooks', 'list'], server);
  await vi.waitFor(() => expect(server.requests).toHaveLength(1), { timeout: 10_000 });
  running.kill('SIGINT');
  const { exitCode, stderr } = await running;
  letGo('cut');
  expect([exitCode, stderr]).toEqual([130, 'error: interrupted']);
});

test('is silent when its output is closed', async () => {
  const change = history.changes[0];
  const changes = Array.from({ length: 20_000 }, () => change);
  await using server = await startFakeServer(() => ({ body: { ...history, changes } }));
  const running = osa(['hooks', 'history', 'seismic_energy', '--json'], server);
  running.stdout.once('data', () => running.stdout.destroy());
  const { stderr, signal } = await running;
  expect([stderr, signal]).toEqual(['', undefined]);
});

test('says in one line that its output cannot be written, and ends with 1', async () => {
  await using server = await startFakeServer(() => ({ body: history }));
  const { PATH = '' } = process.env;
  const command = `"${process.execPath}" "${main}" hooks history x > /dev/full`;
  const env = { PATH, HOME: home, OSA_SERVER: server.url };
  const { exitCode, stderr } = await execa('sh', ['-c', command], { env, extendEnv: false, reject: false });
  expect([exitCode, stderr]).toEqual([
    1,
    'error: standard output cannot be written (ENOSPC); is the disk full?',
  ]);
});
