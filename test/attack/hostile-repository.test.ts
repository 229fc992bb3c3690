import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';
import { deployed } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';
import { writeProject } from '../support/project.ts';

/** A clone whose git configuration names programs: `osa` runs none of them, and shows its keys to no program. */

let place: Awaited<ReturnType<typeof scratch>>;
let clone: string;
let hook: string;
beforeEach(async () => {
  place = await scratch();
  clone = join(place.path, 'clone');
  hook = join(clone, 'hooks', 'doubled');
  await writeProject(clone, { code: '// code\n' });
  // Without the source that the file names, so that git is asked.
  const file = join(clone, 'convention.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace(', source_ref: git:test', ''));
  await mkdir(ran());
  await writeFile(program(), `#!/bin/sh\nenv > "${place.path}/ran/$$"\ncat\n`);
  await chmod(program(), 0o755);
  await git('init', '--quiet');
  await writeFile(join(clone, '.gitattributes'), '* filter=evil diff=evil merge=evil\n');
  await commitAll();
});
afterEach(() => place.dispose());

const ran = () => join(place.path, 'ran');
const program = () => join(place.path, 'program');
const git = async (...args: string[]) => {
  const identity = [
    '-c',
    'user.name=Test',
    '-c',
    'user.email=test@localhost',
    '-c',
    'core.hooksPath=/dev/null',
  ];
  return (await execa('git', ['-C', clone, ...identity, ...args])).stdout;
};
const commitAll = async () => {
  await git('add', '.');
  await git('commit', '--quiet', '--allow-empty', '--message', 'all');
};

/** Every setting that names a program which some command of git runs. */
const hostile = () => {
  const run = program();
  return [
    ['filter.evil.clean', run],
    ['filter.evil.smudge', run],
    ['filter.evil.process', run],
    ['filter.evil.required', 'true'],
    ['diff.external', run],
    ['diff.evil.textconv', run],
    ['diff.evil.command', run],
    ['core.fsmonitor', run],
    ['core.hooksPath', join(place.path, 'hooks')],
    ['core.pager', run],
    ['core.editor', run],
    ['core.sshCommand', run],
    ['core.gitProxy', run],
    ['core.askPass', run],
    ['core.alternateRefsCommand', run],
    ['credential.helper', `!${run}`],
    ['gpg.program', run],
    ['pager.ls-files', run],
    ['pager.config', run],
    ['alias.rev-parse', `!${run}`],
    ['alias.ls-tree', `!${run}`],
    ['extensions.partialClone', 'origin'],
    ['remote.origin.url', `ext::${run}`],
    ['remote.origin.promisor', 'true'],
    ['remote.origin.uploadpack', run],
    ['remote.origin.vcs', 'ext'],
    ['protocol.allow', 'always'],
    ['protocol.ext.allow', 'always'],
    ['uploadpack.packObjectsHook', run],
    ['submodule.lib.update', `!${run}`],
  ] as const;
};

async function configure(file: string): Promise<void> {
  for (const [name, value] of hostile()) await execa('git', ['config', '--file', file, name, value]);
  await mkdir(join(place.path, 'hooks'), { recursive: true });
  for (const name of ['post-index-change', 'reference-transaction', 'fsmonitor-watchman', 'post-checkout']) {
    await symlink(program(), join(place.path, 'hooks', name)).catch(() => undefined);
  }
}

/** A bare repository in `directory`, with the hostile configuration. */
async function makeBare(directory: string): Promise<void> {
  const inner = join(place.path, 'inner.git');
  await execa('git', ['init', '--quiet', '--bare', inner]);
  await execa('git', ['-C', clone, 'push', '--quiet', inner, 'HEAD:refs/heads/master']);
  await configure(join(inner, 'config'));
  for (const name of await readdir(inner)) await rename(join(inner, name), join(directory, name));
}

const planted: readonly (readonly [what: string, plant: () => Promise<void>])[] = [
  ['the configuration of the repository', () => configure(join(clone, '.git', 'config'))],
  ['a hook’s directory that is itself a bare repository', () => makeBare(hook)],
  [
    'a bare repository whose working tree is the clone',
    async () => {
      await makeBare(hook);
      await execa('git', ['config', '--file', join(hook, 'config'), 'core.bare', 'false']);
      await execa('git', ['config', '--file', join(hook, 'config'), 'core.worktree', clone]);
    },
  ],
  [
    'a .git file that points elsewhere',
    async () => {
      const elsewhere = join(clone, 'assets');
      await mkdir(elsewhere);
      await makeBare(elsewhere);
      await execa('git', ['config', '--file', join(elsewhere, 'config'), 'core.bare', 'false']);
      await writeFile(join(hook, '.git'), `gitdir: ${elsewhere}\n`);
    },
  ],
  [
    'a .git that is a link to such a repository',
    async () => {
      const elsewhere = join(clone, 'assets');
      await mkdir(elsewhere);
      await makeBare(elsewhere);
      await execa('git', ['config', '--file', join(elsewhere, 'config'), 'core.bare', 'false']);
      await symlink('../../assets', join(hook, '.git'));
    },
  ],
  [
    'objects that only a remote program could bring',
    async () => {
      await configure(join(clone, '.git', 'config'));
      const tree = await execa('git', ['-C', clone, 'rev-parse', 'HEAD:hooks/doubled'], { reject: false });
      const id = tree.stdout.trim();
      await rm(join(clone, '.git', 'objects', id.slice(0, 2), id.slice(2)));
      await rm(ran(), { recursive: true });
      await mkdir(ran());
    },
  ],
];

const osa = async (...argv: string[]) => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(({ method, path, body }) =>
    method === 'GET'
      ? problem(404, 'not_found', 'no such blob')
      : path.includes('/plan')
        ? {
            body: { slug: 'numbers', changed: false, refused: false, reasons: [], changes: deployed.changes },
          }
        : {
            status: method === 'PUT' ? 200 : 201,
            body: method === 'PUT' ? { sha256: path.split('/').at(-1), size: body.length } : deployed,
          },
  );
  const secret = { OSA_TOKEN: 'a.b.c', OSA_SERVER: server.url, OSA_CANARY: 'secret' };
  const environment = {
    PATH: process.env.PATH,
    HOME: place.path,
    GIT_PAGER: program(),
    GIT_SSH_COMMAND: program(),
    ...secret,
  };
  const ended = await world.osa(argv, { cwd: clone, environment });
  const deploys = server.requests.filter(({ path }) => path.startsWith('/api/v1/conventions'));
  return { ...ended, requests: deploys.map(({ body }) => JSON.parse(body)) };
};

test.each(planted)('%s runs no program when osa plans, deploys or lists files', async (_, plant) => {
  await plant();
  // Every file looks changed to git, which would filter it again.
  await writeFile(join(hook, 'hook.mjs'), '// changed\n');
  for (const argv of [['deploy', '--plan'], ['deploy'], ['deploy', '--list-files']]) {
    const { stderr, code, requests } = await osa(...argv);
    expect([0, 3], stderr).toContain(code);
    for (const { hooks } of requests) expect(hooks[0].release.source_ref).toMatch(/^unknown$|-dirty$/);
  }
  expect(await readdir(ran())).toEqual([]);
});

test('the programs of such a configuration do run when git itself compares files', async () => {
  await configure(join(clone, '.git', 'config'));
  await writeFile(join(hook, 'hook.mjs'), '// changed\n');
  await git('config', '--unset', 'filter.evil.process');
  await execa('git', ['-C', clone, 'status'], { reject: false, timeout: 10_000 });
  expect(await readdir(ran())).not.toEqual([]);
});

test('no program that plan, deploy and a trial start sees a variable of osa', async () => {
  const bin = join(place.path, 'bin');
  await mkdir(bin);
  for (const name of ['git', 'podman', 'docker', 'ps', 'node', 'rm', 'chmod']) {
    const real = (await execa('which', [name], { reject: false })).stdout;
    const wrapper = `#!/bin/sh\nenv | sed "s|^|${name} |" >> "${place.path}/seen"\nexec ${real || 'false'} "$@"\n`;
    await writeFile(join(bin, name), wrapper, { mode: 0o755 });
  }
  await writeFile(join(clone, 'records.ndjson'), '{"source_id": "a", "metadata": {"value": 1}}\n');
  await using world = await createCliWorld();
  const environment = {
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    HOME: place.path,
    OSA_KEY: 'secret',
    OSA_SERVER: 'http://127.0.0.1:9',
    OSA_CANARY: 'secret',
    GIT_DIR: join(place.path, 'nowhere'),
  };
  await world.osa(['deploy', '--plan'], { cwd: clone, environment });
  await world.osa(['deploy'], { cwd: clone, environment });
  await world.osa(['hooks', 'test', 'doubled', '--records', 'records.ndjson'], { cwd: clone, environment });
  const seen = (await readFile(join(place.path, 'seen'), 'utf8')).split('\n');
  expect(seen.filter((line) => line.startsWith('git ')).length).toBeGreaterThan(0);
  expect(seen.filter((line) => line.startsWith('node ')).length).toBeGreaterThan(0);
  const contract = /^node OSA_(?:IN|OUT|FILES|HOOK_NAME)=/;
  expect(seen.filter((line) => /^\w+ OSA_/.test(line) && !contract.test(line))).toEqual([]);
  expect(seen.filter((line) => /^git GIT_(?:DIR|WORK_TREE|SSH)/.test(line))).toEqual([]);
  expect(seen.join('\n')).not.toContain('secret');
});
