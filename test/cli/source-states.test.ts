import { appendFile, chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packHook } from '@osa/cli/packing/hook-package';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { execa } from 'execa';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { scratch } from '../support/database/database.ts';

/** Whatever state a repository is in: a source without `-dirty` names a commit whose archive, packed, has the digest. */

interface Repository {
  readonly root: string;
  readonly hook: string;
  git(...args: readonly string[]): Promise<unknown>;
}

type Step = (repository: Repository) => Promise<unknown>;

const steps: Readonly<Record<string, Step>> = {
  'a file that git ignores': ({ hook }) => writeFile(join(hook, 'a.log'), 'ignored'),
  'a file that only this clone ignores': async ({ root, hook }) => {
    await appendFile(join(root, '.git/info/exclude'), 'private.csv\n');
    await writeFile(join(hook, 'private.csv'), '1');
  },
  'an ignored file that is tracked': async ({ hook, git }) => {
    await writeFile(join(hook, 'forced.log'), 'tracked');
    await git('add', '--force', 'hook/forced.log');
  },
  'a .gitignore in the hook': ({ hook }) => writeFile(join(hook, '.gitignore'), '*.csv\nlib/\n'),
  'an .osaignore': ({ hook }) => writeFile(join(hook, '.osaignore'), 'notes.txt\n!a.log\n'),
  'a file that is left out': ({ hook }) => writeFile(join(hook, 'notes.txt'), 'x'),
  'a secret that is tracked': async ({ hook, git }) => {
    await writeFile(join(hook, '.env'), 'A=1');
    await git('add', '--force', 'hook/.env');
  },
  'a cache': async ({ hook }) => {
    await mkdir(join(hook, 'sub/__pycache__'), { recursive: true });
    await writeFile(join(hook, 'sub/__pycache__/a.pyc'), 'x');
  },
  'an untracked file': ({ hook }) => writeFile(join(hook, 'untracked.py'), 'x'),
  'a changed file': ({ hook }) => appendFile(join(hook, 'hook.py'), '# changed\n'),
  'a changed file outside': ({ root }) => appendFile(join(root, 'README.md'), 'x'),
  'a changed mode': async ({ hook, git }) => {
    await git('config', 'core.fileMode', 'false');
    await chmod(join(hook, 'hook.py'), 0o755);
  },
  'a deleted file': ({ hook }) => rm(join(hook, 'lib/a.py'), { force: true }),
  'a link': ({ hook }) => symlink('hook.py', join(hook, 'link')).catch(() => undefined),
  'an empty directory': ({ hook }) => mkdir(join(hook, 'empty'), { recursive: true }),
  'a submodule': ({ root, git }) =>
    git(
      '-c',
      'protocol.file.allow=always',
      'submodule',
      'add',
      '--force',
      join(root, '..', 'other'),
      'hook/module',
    ),
  'a submodule that is not checked out': ({ git }) => git('submodule', 'deinit', '--force', 'hook/module'),
  'a repository inside': async ({ hook }) => {
    await execa('git', ['init', '--quiet', join(hook, 'vendor')]);
    await writeFile(join(hook, 'vendor/x.py'), 'x');
  },
  'assume-unchanged': ({ git }) => git('update-index', '--assume-unchanged', 'hook/hook.py'),
  'skip-worktree': ({ git }) => git('update-index', '--skip-worktree', 'hook/hook.py'),
  'lines of Windows': async ({ hook, git }) => {
    await git('config', 'core.autocrlf', 'true');
    await writeFile(join(hook, 'hook.py'), 'print()\r\n');
  },
  'a filter': async ({ root, git }) => {
    await appendFile(join(root, '.git/info/attributes'), 'hook.py filter=constant\n');
    await git('config', 'filter.constant.clean', 'git show HEAD:hook/hook.py');
  },
  'a staged change': ({ git }) => git('add', '--all'),
  'a commit': async ({ git }) => {
    await git('add', '--all');
    await git('commit', '--quiet', '--allow-empty', '--message', 'more');
  },
  'a replaced commit': ({ git }) => git('replace', '--force', 'HEAD', 'HEAD~1'),
  'an earlier commit': ({ git }) => git('checkout', '--quiet', '--detach', 'HEAD~1'),
  'what the commit holds': ({ git }) => git('checkout', '--quiet', '--force', 'HEAD', '--', '.'),
};

/** Each step, committed where that can be. */
const committed = Object.keys(steps).map((name): [string[]] => [[name, 'a commit']]);

async function startRepository(root: string, git: Repository['git']): Promise<void> {
  await mkdir(join(root, 'hook/lib'), { recursive: true });
  await execa('git', ['init', '--quiet', root]);
  await writeFile(join(root, 'README.md'), 'x');
  await writeFile(join(root, '.gitignore'), '*.log\n');
  await writeFile(join(root, 'hook/hook.py'), 'print()\n');
  await writeFile(join(root, 'hook/lib/a.py'), 'a');
  for (const message of ['first', 'second']) {
    await git('add', '--all');
    await git('commit', '--quiet', '--allow-empty', '--message', message);
  }
}

/** The digest of what everybody gets who asks for the commit. */
async function digestOfCommit(place: string, root: string, commit: string): Promise<string> {
  const target = join(place, 'archive');
  await rm(target, { recursive: true, force: true });
  await mkdir(target);
  const tar = await execa('git', ['-C', root, '--no-replace-objects', 'archive', '--format=tar', commit], {
    encoding: 'buffer',
  });
  await execa('tar', ['x', '-C', target], { input: tar.stdout });
  return (await packDirectory(join(target, 'hook'))).digest;
}

test('a source without -dirty names a commit that holds the very bytes, after any steps', {
  timeout: 240_000,
}, async () => {
  const place = await scratch();
  onTestFinished(place.dispose);
  const other = join(place.path, 'other');
  const env = { PATH: process.env.PATH, HOME: place.path };
  const gitAt = (root: string): Repository['git'] => {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost'];
    return (...args) =>
      execa('git', ['-C', root, ...identity, ...args], { env, extendEnv: false, reject: false });
  };
  await startRepository(other, gitAt(other));
  let clean = 0;
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...Object.keys(steps)), { maxLength: 7 }), async (names) => {
      round += 1;
      const root = join(place.path, `r${round}`);
      const git = gitAt(root);
      await startRepository(root, git);
      for (const name of names) await steps[name]?.({ root, hook: join(root, 'hook'), git });
      const code = await packHook(join(root, 'hook'), { command: [], environment: env });
      const { ref, why } = await code.source();
      expect(ref).toMatch(/^git:[0-9a-f]{40}(-dirty)?$/);
      expect(why === undefined).toBe(!ref?.endsWith('-dirty'));
      if (ref === undefined || why !== undefined) return;
      clean += 1;
      expect(await digestOfCommit(place.path, root, ref.slice(4))).toBe(code.digest);
    }),
    { numRuns: committed.length + 40, examples: committed },
  );
  expect(clean).toBeGreaterThan(3);
});
