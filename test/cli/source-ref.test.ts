import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packHook } from '@osa/cli/packing/hook-package';
import { publicUrl } from '@osa/cli/packing/public-url';
import { openRepository } from '@osa/cli/packing/repository';
import { imageSource, type Source } from '@osa/cli/packing/source-ref';
import { execa } from 'execa';
import { afterAll, describe, expect, test } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'osa-source-ref-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const commitOfCi = 'c0ffee'.padEnd(40, '0');
const env = { PATH: process.env.PATH, HOME: root };
const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];

async function git(directory: string, ...args: string[]): Promise<string> {
  const settings = { env: { ...env, GIT_CONFIG_NOSYSTEM: '1' }, extendEnv: false };
  const { stdout } = await execa('git', ['-C', directory, ...identity, ...args], settings);
  return stdout;
}

/** The source of a directory's code. */
async function source(directory: string, environment: NodeJS.ProcessEnv = env): Promise<Source> {
  const code = await packHook(directory, { command: [], environment });
  return code.source();
}

async function sourceRef(directory: string, environment?: NodeJS.ProcessEnv): Promise<string | undefined> {
  return (await source(directory, environment)).ref;
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
    expect(await sourceRef(directory)).toBe(`git+https://example.org/group/repo.git@${commit}`);
  });

  test('names the commit alone when there is no remote, or only a local one', async () => {
    const { directory, commit } = await repository('local');
    expect(await sourceRef(directory)).toBe(`git:${commit}`);
    await git(directory, 'remote', 'add', 'origin', directory);
    expect(await sourceRef(directory)).toBe(`git:${commit}`);
  });

  test('is dirty with a changed, a staged or an untracked file, and says which; not with an ignored one', async () => {
    const { directory, commit } = await repository('dirty');
    writeFileSync(join(directory, 'ignored.log'), 'x');
    expect(await source(directory)).toEqual({ ref: `git:${commit}`, why: undefined });

    writeFileSync(join(directory, 'untracked.mjs'), 'x');
    const dirty = { ref: `git:${commit}-dirty`, why: 'untracked.mjs is not in the commit' };
    expect(await source(directory)).toEqual(dirty);
    await git(directory, 'add', 'untracked.mjs');
    expect(await source(directory)).toEqual(dirty);
    await git(directory, 'rm', '--quiet', '--force', 'untracked.mjs');
    expect(await sourceRef(directory)).toBe(`git:${commit}`);

    writeFileSync(join(directory, 'hook.mjs'), '// changed\n');
    expect(await source(directory)).toEqual({
      ref: `git:${commit}-dirty`,
      why: 'hook.mjs differs from the commit',
    });
  });

  test('is dirty from a directory that is not committed yet, and says so', async () => {
    const { directory, commit } = await repository('fresh');
    mkdirSync(join(directory, 'hooks/new'), { recursive: true });
    writeFileSync(join(directory, 'hooks/new/hook.mjs'), 'x');
    const why = 'the commit has no directory hooks/new';
    expect(await source(join(directory, 'hooks/new'))).toEqual({ ref: `git:${commit}-dirty`, why });
  });

  test('is dirty from an ignored directory, which the commit does not hold', async () => {
    const { directory, commit } = await repository('ignoring');
    mkdirSync(join(directory, 'ignored-hooks'));
    expect(await sourceRef(join(directory, 'ignored-hooks'))).toBe(`git:${commit}-dirty`);
    writeFileSync(join(directory, 'ignored-hooks', 'hook.mjs'), '// code\n');
    const code = await packHook(join(directory, 'ignored-hooks'), { command: [], environment: env });
    expect(code.files).toBe(1);
    expect((await code.source()).ref).toBe(`git:${commit}-dirty`);
  });

  test('is dirty whatever the flags of the index and the filters say of a changed file', async () => {
    const { directory, commit } = await repository('flags');
    for (const flag of ['--assume-unchanged', '--skip-worktree']) {
      await git(directory, 'update-index', flag, 'hook.mjs');
      writeFileSync(join(directory, 'hook.mjs'), '// changed\n');
      expect((await source(directory)).why).toBe('hook.mjs differs from the commit');
      writeFileSync(join(directory, 'hook.mjs'), '// code\n');
      expect(await sourceRef(directory)).toBe(`git:${commit}`);
    }
    rmSync(join(directory, 'hook.mjs'));
    expect((await source(directory)).why).toBe('hook.mjs is in the commit and not in the directory');
    await git(directory, 'config', 'core.autocrlf', 'true');
    writeFileSync(join(directory, 'hook.mjs'), '// code\r\n');
    expect((await source(directory)).why).toBe('hook.mjs differs from the commit');
  });

  test('is dirty with another mode, a link, an empty directory, or a submodule', async () => {
    const { directory } = await repository('modes');
    await git(directory, 'config', 'core.fileMode', 'false');
    chmodSync(join(directory, 'hook.mjs'), 0o755);
    expect((await source(directory)).why).toMatch(/^hook\.mjs is an executable file, in the commit a file/);
    rmSync(join(directory, 'hook.mjs'));
    symlinkSync('.gitignore', join(directory, 'hook.mjs'));
    expect((await source(directory)).why).toMatch(/^hook\.mjs is a symbolic link, in the commit/);
    await git(directory, 'checkout', '--quiet', '-f', 'HEAD');
    chmodSync(join(directory, 'hook.mjs'), 0o644);
    mkdirSync(join(directory, 'empty'));
    expect((await source(directory)).why).toMatch(/^empty\/ is empty/);
    rmSync(join(directory, 'empty'), { recursive: true });
    const inner = await repository('inner');
    await git(
      directory,
      ...['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner.directory, 'lib'],
    );
    await git(directory, 'commit', '--quiet', '--message', 'with a submodule');
    expect(await sourceRef(directory)).toMatch(/-dirty$/);
  });

  test('is dirty when the commit holds what the replaced objects of this clone hide', async () => {
    const { directory, commit } = await repository('replaced');
    writeFileSync(join(directory, 'hook.mjs'), '// changed\n');
    await git(directory, 'commit', '--quiet', '--all', '--message', 'second');
    await git(directory, 'replace', commit, 'HEAD');
    await git(directory, 'checkout', '--quiet', '--detach', commit);
    writeFileSync(join(directory, 'hook.mjs'), '// changed\n');
    expect(await sourceRef(directory)).toBe(`git:${commit}-dirty`);
  });

  test('gets a warning for what a clone has only in name: the content of Git LFS, and a submodule', async () => {
    const { directory } = await repository('in-name');
    const library = await repository('in-name-library');
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 10\n`;
    writeFileSync(join(directory, 'model.bin'), pointer);
    writeFileSync(join(directory, 'about.txt'), `A pointer of Git LFS begins so:\n${pointer}`);
    writeFileSync(join(directory, 'long.txt'), pointer + 'x'.repeat(1_000));
    mkdirSync(join(directory, 'lib'));
    mkdirSync(join(directory, 'empty'));
    await git(directory, 'update-index', '--add', '--cacheinfo', `160000,${library.commit},lib`);
    await git(directory, 'add', 'model.bin', 'about.txt', 'long.txt');
    await git(directory, 'commit', '--quiet', '--message', 'second');
    const { warnings } = await packHook(directory, { command: [], environment: env });
    expect(warnings).toEqual([
      expect.stringMatching(/^lib\/ is a submodule without its files; .*git submodule update/),
      expect.stringMatching(/^model\.bin is a pointer of Git LFS.*git lfs pull$/),
    ]);
  });

  test('is clean with a file that is tracked although the repository ignores it, and with what is never packed', async () => {
    const { directory } = await repository('forced');
    const hook = join(directory, 'hook');
    mkdirSync(join(hook, 'ignored-lib'), { recursive: true });
    writeFileSync(join(hook, 'ignored-lib', 'a.mjs'), 'a');
    writeFileSync(join(hook, 'ignored-lib', 'b.log'), 'untracked');
    writeFileSync(join(hook, '.env'), 'A=1');
    await git(directory, 'add', '--force', 'hook/ignored-lib/a.mjs', 'hook/.env');
    await git(directory, 'commit', '--quiet', '--message', 'second');
    const code = await packHook(hook, { command: [], environment: env });
    expect(code.entries.map(({ path }) => path)).toEqual(['ignored-lib', 'ignored-lib/a.mjs']);
    expect(await code.source()).toMatchObject({ why: undefined });
    expect(code.warnings).toEqual([expect.stringMatching(/^\.env is committed and left out .*"!\.env"/)]);
    writeFileSync(join(hook, '.gitignore'), 'ignored-*\n');
    await git(directory, 'add', '.');
    await git(directory, 'commit', '--quiet', '--message', 'third');
    expect((await source(hook)).why).toMatch(/^ignored-lib\/a\.mjs is tracked, and a \.gitignore/);
  });

  test('names the remote that an alias of the user stands for', async () => {
    const { directory, commit } = await repository('alias');
    await git(directory, 'config', 'url.https://ci:token@example.org/.insteadOf', 'ours:');
    await git(directory, 'remote', 'add', 'origin', 'ours:group/repo.git');
    expect(await sourceRef(directory)).toBe(`git+https://example.org/group/repo.git@${commit}`);
  });

  test('names the repository of CI when it has no remote and is at the commit of CI', async () => {
    const { directory, commit } = await repository('of-ci');
    const jenkins = { ...env, GIT_URL: 'https://host/org/repo.git' };
    expect(await sourceRef(directory, { ...jenkins, GIT_COMMIT: commit })).toBe(
      `git+https://host/org/repo.git@${commit}`,
    );
    expect(await sourceRef(directory, { ...jenkins, GIT_COMMIT: commitOfCi })).toBe(`git:${commit}`);
  });

  test("is the directory's own, whatever repository the environment points at", async () => {
    const { directory, commit } = await repository('own');
    const other = await repository('other');
    await git(other.directory, 'commit', '--quiet', '--allow-empty', '--message', 'second');
    const pointed = { ...env, GIT_DIR: join(other.directory, '.git'), GIT_WORK_TREE: other.directory };
    expect(await sourceRef(directory, pointed)).toBe(`git:${commit}`);
  });
});

describe('an image', () => {
  const image = async (directory: string) => imageSource(await openRepository(directory, env), env);

  test('is dirty with a tracked file that differs anywhere in the repository, and says which; others do not count', async () => {
    const { directory, commit } = await repository('image');
    mkdirSync(join(directory, 'sub'));
    writeFileSync(join(directory, 'digest.txt'), 'sha256:…');
    expect(await image(join(directory, 'sub'))).toEqual({ ref: `git:${commit}`, why: undefined });
    await git(directory, 'update-index', '--assume-unchanged', 'hook.mjs');
    writeFileSync(join(directory, 'hook.mjs'), '// changed\n');
    expect(await image(join(directory, 'sub'))).toEqual({
      ref: `git:${commit}-dirty`,
      why: 'hook.mjs differs from the commit',
    });
    rmSync(join(directory, 'hook.mjs'));
    expect((await image(directory)).why).toBe('hook.mjs is missing');
    writeFileSync(join(directory, 'hook.mjs'), '// code\n');
    expect((await image(directory)).why).toBeUndefined();
    writeFileSync(join(directory, 'sub', 'new.mjs'), '// staged\n');
    await git(directory, 'add', 'sub/new.mjs');
    expect((await image(join(directory, 'sub'))).why).toBe('sub/new.mjs is added and not in the commit');
  });

  test('is clean with a file of Git LFS that the pointer in the commit names by its hash', async () => {
    const { directory, commit } = await repository('lfs');
    const content = 'large '.repeat(1_000);
    const oid = createHash('sha256').update(content).digest('hex');
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`;
    writeFileSync(join(directory, 'model.bin'), pointer);
    await git(directory, 'add', '.');
    await git(directory, 'commit', '--quiet', '--message', 'a pointer');
    const head = await git(directory, 'rev-parse', 'HEAD');
    writeFileSync(join(directory, 'model.bin'), content);
    expect(await image(directory)).toMatchObject({
      why: undefined,
      ref: expect.not.stringContaining(commit),
    });
    expect(await source(directory)).toEqual({ ref: `git:${head}`, why: undefined });
    writeFileSync(join(directory, 'model.bin'), content.replace('large', 'other'));
    expect((await source(directory)).why).toBe('model.bin differs from the commit');
    expect((await image(directory)).why).toBe('model.bin differs from the commit');
  });

  test('is dirty with a submodule at another commit, or with a file of it that differs', async () => {
    const inner = await repository('image-inner');
    const { directory } = await repository('image-outer');
    const add = ['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner.directory, 'lib'];
    await git(directory, ...add);
    await git(directory, 'commit', '--quiet', '--message', 'with a submodule');
    expect((await image(directory)).why).toBeUndefined();
    writeFileSync(join(directory, 'lib', 'hook.mjs'), '// changed\n');
    expect((await image(directory)).why).toBe('lib has a difference: hook.mjs differs from the commit');
    await git(join(directory, 'lib'), 'commit', '--quiet', '--all', '--message', 'second');
    expect((await image(directory)).why).toMatch(/^lib is at /);
  });
});

describe('no repository', () => {
  const github = {
    ...env,
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_REPOSITORY: 'org/repo',
    GITHUB_SHA: commitOfCi,
  };

  test('takes no commit that only the environment of CI names, and says so', async () => {
    const directory = mkdtempSync(join(root, 'plain-'));
    const { ref, why } = await source(directory, github);
    expect(ref).toBeUndefined();
    expect(why).toMatch(/^this is not a git repository; CI names the commit c0ffee0+, which is not taken/);
    expect(await sourceRef(directory, env)).toBeUndefined();
  });

  test('says that there is no git, and no commit', async () => {
    const { directory } = await repository('without-git');
    expect(await source(directory, { ...github, PATH: root })).toMatchObject({
      ref: undefined,
      why: expect.stringMatching(/^git says: git is not installed; CI names/),
    });
    const empty = mkdtempSync(join(root, 'plain-'));
    await git(empty, 'init', '--quiet');
    expect((await source(empty)).why).toBe('the git repository has no commit');
  });

  test.runIf(process.getuid?.() === 0)('says what to do where the repository is another user’s', async () => {
    const { directory } = await repository('foreign');
    await execa('chown', ['-R', '12345', directory]);
    const { ref, why } = await source(directory, github);
    expect(ref).toBeUndefined();
    expect(why).toMatch(
      /^git says: detected dubious ownership .*; if you trust it: git config --global --add safe\.directory \/.*foreign; CI/,
    );
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
