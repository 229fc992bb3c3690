import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shells } from '@osa/cli/commands/completion/scripts';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployHook, type TestDaemon, testDaemon } from '../../support/daemon-support.ts';
import { scratch } from '../../support/database/database.ts';
import { createCliWorld } from '../../support/fixtures/cli-world.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  await deployHook(daemon, 'process.exit(0)', 'seismic_energy');
  await deployHook(daemon, 'process.exit(1)', 'seismic_energy');
});
afterAll(() => daemon.close());

async function words(...line: string[]): Promise<string[]> {
  await using world = await createCliWorld();
  const { code, stdout } = await world.osa(['completion', 'words', '--', ...line], {
    environment: { OSA_SERVER: daemon.url },
  });
  expect(code).toBe(0);
  return stdout.split('\n').filter(Boolean);
}

test.each([
  ['a command', ['hoo'], ['hooks']],
  ['a command of a group', ['hooks', 'roll'], ['rollback']],
  ['a hook', ['hooks', 'rollback', 'sei'], ['seismic_energy']],
  ['a hook with nothing yet', ['hooks', 'show', ''], ['seismic_energy']],
  ['a version of the hook', ['hooks', 'rollback', 'seismic_energy', '--to', ''], ['1', '2']],
  ['a convention', ['conventions', 'show', 't'], ['tests']],
  ['an option', ['deploy', '--pl'], ['--plan']],
  ['a shell', ['completion', 'z'], ['zsh']],
  ['nothing for a file', ['deploy', ''], []],
  ['nothing for what is no command', ['frobnicate', ''], []],
])('completes %s', async (_, line, expected) => {
  expect(await words(...line)).toEqual(expected);
});

test('without a server there are no names, and no error', async () => {
  await using world = await createCliWorld();
  const { code, stdout, stderr } = await world.osa(['completion', 'words', '--', 'hooks', 'show', ''], {});
  expect([code, stdout.trim(), stderr]).toEqual([0, '', '']);
});

test('the script of bash asks and fills COMPREPLY', async () => {
  const place = await scratch();
  try {
    const osa = join(place.path, 'osa');
    await writeFile(
      osa,
      '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.args"\nprintf "seismic_energy\\nseismic_depth\\n"\n',
      { mode: 0o755 },
    );
    const script = `${shells.bash}
COMP_WORDS=(osa hooks rollback sei); COMP_CWORD=3; _osa; printf '%s,' "\${COMPREPLY[@]}"; cat ${osa}.args`;
    const env = { PATH: `${place.path}:${process.env.PATH}` };
    const { stdout } = await execa('bash', ['-c', script], { env, extendEnv: false });
    expect(stdout).toBe('seismic_energy,seismic_depth,completion\nwords\n--\nhooks\nrollback\nsei');
  } finally {
    await place.dispose();
  }
});

const hasFish = (await execa('fish', ['--version'], { reject: false })).exitCode === 0;

test.skipIf(!hasFish)('fish itself asks, and offers what comes back (fish)', async () => {
  const place = await scratch();
  try {
    const osa = join(place.path, 'osa');
    const words = 'printf "%s\\n" "$@" > "$0.args"\nprintf "seismic_energy\\nseismic_depth\\n"\n';
    await writeFile(osa, `#!/bin/sh\n${words}`, { mode: 0o755 });
    const script = `${shells.fish}\ncomplete -C 'osa hooks rollback sei'\ncat ${osa}.args`;
    const env = { PATH: `${place.path}:${process.env.PATH}`, HOME: place.path };
    const { stdout } = await execa('fish', ['--no-config', '-c', script], { env, extendEnv: false });
    const lines = stdout.split('\n');
    expect(lines.slice(0, 2).sort()).toEqual(['seismic_depth', 'seismic_energy']);
    expect(lines.slice(2)).toEqual(['completion', 'words', '--', 'hooks', 'rollback', 'sei']);
  } finally {
    await place.dispose();
  }
});

test('another shell is refused', async () => {
  await using world = await createCliWorld();
  const { code, stderr } = await world.osa(['completion', 'tcsh']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
});
