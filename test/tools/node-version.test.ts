import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import cli from '../../packages/cli/package.json' with { type: 'json' };
import core from '../../packages/core/package.json' with { type: 'json' };
import daemon from '../../packages/daemon/package.json' with { type: 'json' };

/** A built program on an old Node says which version it needs, not which function is missing. */

const programs = [
  ['osa', 'packages/cli/dist/osa.js', 'error: osa'],
  ['osad', 'packages/daemon/dist/osad.js', 'osad'],
] as const;

/**
 * Runs a program on a Node that says it is another one, and that cannot link the daemon's program if it is old: some of what
 * that imports was not there.
 */
function run(path: string, version: string, options = ['--help']) {
  const pretence = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  const unlinkable = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      if (name.endsWith('program.mjs') && '${version}' < '24') throw new SyntaxError('no such export');
      return next(name, context);
    } });`;
  const preload = `data:text/javascript,${encodeURIComponent(`${unlinkable}${pretence}`)}`;
  const program = join(import.meta.dirname, '../..', path);
  return execa(process.execPath, ['--import', preload, program, ...options], { reject: false });
}

test.each(programs)('%s says which Node it needs, and ends', async (_, path, start) => {
  for (const version of ['20.20.2', '23.11.1']) {
    const { exitCode, stdout, stderr } = await run(path, version);
    const expected = `${start} needs Node 24 or later, and ${process.execPath} is ${version}`;
    expect([exitCode, stdout, stderr]).toEqual([2, '', expected]);
  }
  expect(await run(path, '24.0.0')).toMatchObject({ exitCode: 0, stderr: '' });
});

test('osa --json says it in one JSON document', async () => {
  const { exitCode, stdout, stderr } = await run(programs[0][1], '20.20.2', ['--json', 'status']);
  expect([exitCode, stderr]).toEqual([2, '']);
  const message = `osa needs Node 24 or later, and ${process.execPath} is 20.20.2`;
  expect(JSON.parse(stdout)).toEqual({ error: { code: 'usage', message, field: null, details: {} } });
  expect(await run(programs[0][1], '20.20.2', ['init', '--', '--json'])).toMatchObject({ stdout: '' });
});

test('the packages say the same', () => {
  for (const { engines } of [cli, core, daemon]) expect(engines).toEqual({ node: '>=24' });
});
