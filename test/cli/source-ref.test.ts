import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publicUrl, sourceRef } from '@osa/cli/commands/code/source-ref';
import { execa } from 'execa';
import { afterAll, describe, expect, test } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'osa-source-ref-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const commitOfCi = 'c0ffee'.padEnd(40, '0');
const env = {
  PATH: process.env.PATH,
  HOME: root,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CEILING_DIRECTORIES: root,
};
const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];

async function git(directory: string, ...args: string[]): Promise<string> {
  const { stdout } = await execa('git', ['-C', directory, ...identity, ...args], { env, extendEnv: false });
  return stdout;
}

/** A repository with one commit of one file. */
async function repository(name: string): Promise<{ directory: string; commit: string }> {
  const directory = join(root, name);
  mkdirSync(directory);
  await git(directory, 'init', '--quiet');
  writeFileSync(join(directory, 'hook.mjs'), '// code\n');
  writeFileSync(join(directory, '.gitignore'), 'ignored*\n');
  await git(directory, 'add', '.');
  await git(directory, 'commit', '--quiet', '--message', 'first');
  return { directory, commit: await git(directory, 'rev-parse', 'HEAD') };
}

describe('a git repository', () => {
  test('names remote and commit, without the token in the remote', async () => {
    const { directory, commit } = await repository('clean');
    await git(directory, 'remote', 'add', 'fork', 'https://example.org/fork/repo.git');
    await git(directory, 'remote', 'add', 'origin', 'https://ci:glpat-secret@example.org/group/repo.git');
    expect(await sourceRef(directory, env)).toBe(`git+https://example.org/group/repo.git@${commit}`);
  });

  test('names the commit alone when there is no remote, or only a local one', async () => {
    const { directory, commit } = await repository('local');
    expect(await sourceRef(directory, env)).toBe(`git:${commit}`);
    await git(directory, 'remote', 'add', 'origin', directory);
    expect(await sourceRef(directory, env)).toBe(`git:${commit}`);
  });

  test('is dirty with a changed, a staged or an untracked file, not with an ignored one', async () => {
    const { directory, commit } = await repository('dirty');
    writeFileSync(join(directory, 'ignored.log'), 'x');
    expect(await sourceRef(directory, env)).toBe(`git:${commit}`);

    writeFileSync(join(directory, 'untracked.mjs'), 'x');
    expect(await sourceRef(directory, env)).toBe(`git:${commit}-dirty`);
    await git(directory, 'add', 'untracked.mjs');
    expect(await sourceRef(directory, env)).toBe(`git:${commit}-dirty`);
    await git(directory, 'rm', '--quiet', '--force', 'untracked.mjs');
    expect(await sourceRef(directory, env)).toBe(`git:${commit}`);

    writeFileSync(join(directory, 'hook.mjs'), '// changed\n');
    expect(await sourceRef(directory, env)).toBe(`git:${commit}-dirty`);
  });

  test('is dirty from an ignored directory, which the commit does not hold', async () => {
    const { directory, commit } = await repository('ignoring');
    mkdirSync(join(directory, 'ignored-hooks'));
    expect(await sourceRef(join(directory, 'ignored-hooks'), env)).toBe(`git:${commit}-dirty`);
  });

  test("is the directory's own, whatever repository the environment points at", async () => {
    const { directory, commit } = await repository('own');
    const other = await repository('other');
    await git(other.directory, 'commit', '--quiet', '--allow-empty', '--message', 'second');
    const pointed = { ...env, GIT_DIR: join(other.directory, '.git'), GIT_WORK_TREE: other.directory };
    expect(await sourceRef(directory, pointed)).toBe(`git:${commit}`);
  });
});

describe('no repository', () => {
  const github = {
    ...env,
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_REPOSITORY: 'org/repo',
    GITHUB_SHA: commitOfCi,
  };

  test.each([
    ['GitHub', github, 'git+https://github.com/org/repo'],
    [
      'GitLab',
      { ...env, CI_PROJECT_URL: 'https://gitlab.com/org/repo', CI_COMMIT_SHA: commitOfCi },
      'git+https://gitlab.com/org/repo',
    ],
    [
      'Jenkins',
      { ...env, GIT_URL: 'https://u:p@host/org/repo.git', GIT_COMMIT: commitOfCi },
      'git+https://host/org/repo.git',
    ],
  ])('asks the environment of %s', async (_, variables, expected) => {
    const directory = mkdtempSync(join(root, 'plain-'));
    expect(await sourceRef(directory, variables)).toBe(`${expected}@${commitOfCi}`);
  });

  test('is undefined without CI, without git, without a commit, without the directory', async () => {
    const directory = mkdtempSync(join(root, 'plain-'));
    expect(await sourceRef(directory, env)).toBeUndefined();
    expect(await sourceRef(directory, { ...env, PATH: root })).toBeUndefined();
    expect(await sourceRef(join(root, 'absent'), env)).toBeUndefined();
    expect(await sourceRef(directory, { ...github, GITHUB_SHA: 'main' })).toBeUndefined();
    await git(directory, 'init', '--quiet');
    expect(await sourceRef(directory, env)).toBeUndefined();
  });
});

describe('the remote as others see it', () => {
  test.each([
    ['https://host/org/repo.git', 'https://host/org/repo.git'],
    ['https://user@host:8443/org/repo', 'https://host:8443/org/repo'],
    ['https://x-access-token:ghs_abc@github.com/org/repo', 'https://github.com/org/repo'],
    ['https://host/org/repo?private_token=abc#frag', 'https://host/org/repo'],
    ['https://user:p@ss@host/org/repo', 'https://host/org/repo'],
    ['HTTPS://Host/org/repo', 'https://host/org/repo'],
    ['git@github.com:org/repo.git', 'ssh://github.com/org/repo.git'],
    ['host.example:/srv/git/repo.git', 'ssh://host.example/srv/git/repo.git'],
    ['deploy@[2001:db8::1]:repo.git', 'ssh://[2001:db8::1]/repo.git'],
    ['ssh://git:pw@host:2222/org/repo.git', 'ssh://host:2222/org/repo.git'],
    ['git+ssh://git@host/org/repo.git', 'ssh://host/org/repo.git'],
    ['git://host/org/repo.git', 'git://host/org/repo.git'],
  ])('%s → %s', (remote, expected) => {
    expect(publicUrl(remote)).toBe(expected);
  });

  test.each([
    '/home/someone/repo',
    '../repo',
    './repo:x',
    'C:\\Users\\someone\\repo',
    'C:/Users/someone/repo',
    'file:///home/someone/repo',
    'ext::sh -c secret',
    'https://tok/en@host/org/repo',
    'https://user:12#3@host/org/repo',
    'https://user:12?3@host/org/repo',
    'https://user:pa/ss@host/org/repo',
    'https://',
    '',
  ])('%s is not shown', (remote) => {
    expect(publicUrl(remote)).toBeUndefined();
  });
});
