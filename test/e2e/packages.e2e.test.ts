import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { scratch, until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** The packages as npm makes them of the last build, installed where nothing else is. */

const root = join(import.meta.dirname, '../..');
let home: Awaited<ReturnType<typeof scratch>>;
let tarballs: Record<'cli' | 'daemon', string>;

beforeAll(async () => {
  home = await scratch();
  tarballs = { cli: await pack('cli'), daemon: await pack('daemon') };
});
afterAll(async () => {
  await removeEmbedded(join(home.path, '.osa'));
  await home.dispose();
});

/** Its path. The build stands already; another one would take it away from tests that run beside this one. */
async function pack(name: string): Promise<string> {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', home.path];
  const { stdout } = await execa('npm', args, { cwd: join(root, 'packages', name) });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return join(home.path, filename);
}

/** With a home of its own; what leads to the registry, such as a proxy, is that of the machine. */
function run(command: string, ...args: string[]) {
  const env = {
    PATH: `${join(process.execPath, '..')}:${process.env.PATH}`,
    HOME: home.path,
    CI: undefined,
    NODE_PATH: undefined,
    OSA_PORT: '0',
  };
  return execa(command, args, { cwd: home.path, env, reject: false, forceKillAfterDelay: false });
}

describe('the package of the CLI', () => {
  test('is small, and has neither dependencies nor install scripts', async () => {
    expect((await stat(tarballs.cli)).size).toBeLessThan(5_000_000);
    const { exitCode, stderr } = await run('npm', 'install', '--prefer-offline', tarballs.cli);
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining('install-scripts')]);
    const { packages } = JSON.parse(await readFile(join(home.path, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, unknown>;
    };
    expect(Object.keys(packages)).toEqual(['', 'node_modules/@osa/cli']);
  });

  test('carries its licence and those of what is bundled', async () => {
    const dist = join(home.path, 'node_modules/@osa/cli/dist');
    expect(await readFile(join(dist, 'LICENSE'), 'utf8')).toContain('Apache License');
    const notices = await readFile(join(dist, 'THIRD-PARTY-NOTICES.txt'), 'utf8');
    for (const name of ['commander', 'undici', 'jose', 'zod', 'ink', 'execa']) {
      expect(notices).toMatch(new RegExp(`^${name} [0-9.]+ \\(MIT\\)$`, 'm'));
    }
  });

  test('starts a project and checks it', async () => {
    expect((await run('npx', 'osa', 'init', 'minerals')).exitCode).toBe(0);
    const checked = await run('npx', 'osa', 'validate', 'minerals/convention.yaml');
    expect(checked).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('is valid: convention minerals'),
    });
  });

  test('says how to get a server', async () => {
    const { exitCode, stderr } = await run('npx', 'osa', 'dev');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('npm install @osa/daemon')]);
  });
});

test('with the package of the daemon, osa dev is a whole archive', async () => {
  expect((await run('npm', 'install', '--prefer-offline', tarballs.daemon)).exitCode).toBe(0);
  const daemon = run('node_modules/.bin/osa', 'dev');
  try {
    await until('the daemon to listen', () =>
      readFile(join(home.path, '.osa/daemon.json'), 'utf8').catch(() => undefined),
    );
    const osa = (...args: string[]) => run('node_modules/.bin/osa', ...args);
    expect((await osa('deploy', 'minerals/convention.yaml')).exitCode).toBe(0);
    expect((await osa('ingest', 'minerals', 'minerals/records.ndjson')).exitCode).toBe(0);
    const { rows } = JSON.parse((await osa('rows', 'density', '--json')).stdout) as {
      rows: { id: number }[];
    };
    const traced = await osa('trace', `density/${rows[0]?.id}`);
    expect(traced).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('density') });
  } finally {
    daemon.kill('SIGTERM');
    expect((await daemon).exitCode).toBe(0);
  }
});
