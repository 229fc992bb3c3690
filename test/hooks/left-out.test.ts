import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { afterEach, beforeEach, expect, test } from 'vitest';

let source: string;
beforeEach(async () => {
  source = await mkdtemp(join(tmpdir(), 'osa-left-out-'));
});
afterEach(() => rm(source, { recursive: true }));

async function write(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(source, path)), { recursive: true });
    await writeFile(join(source, path), path);
  }
}

async function rules(path: string, ...lines: readonly string[]): Promise<void> {
  await mkdir(dirname(join(source, path)), { recursive: true });
  await writeFile(join(source, path), `${lines.join('\n')}\n`);
}

/** The packed files, without the files of rules. */
async function packed(git?: { tracked: string[]; ignored: string[] }): Promise<string[]> {
  const known = git && { tracked: new Set(git.tracked), ignored: new Set(git.ignored) };
  const { entries } = await packDirectory(source, { git: known });
  return entries.map(({ path }) => path).filter((path) => !/ignore$/.test(path));
}

test.each([
  '.env',
  '.env.production',
  'sub/.envrc',
  '.venv/lib/site.py',
  'node_modules/left-pad/index.js',
  '__pycache__/hook.cpython-313.pyc',
  'sub/__pycache__/a.pyc',
  'sub/b.pyc',
  '.pytest_cache/README.md',
  '.mypy_cache/x.json',
  '.ipynb_checkpoints/a.ipynb',
  'hook.mjs.swp',
  'hook.mjs~',
  '.#hook.mjs',
  '#hook.mjs#',
  '.idea/workspace.xml',
  '.vscode/settings.json',
  '.DS_Store',
  '.git/config',
  '.osa/daemon.json',
])('%s is left out, and alone makes no other package', async (path) => {
  await write('hook.mjs', 'sub/data.csv');
  const { digest } = await packDirectory(source);
  await write(path, `new/${path}`);
  const { digest: again, leftOut } = await packDirectory(source);
  expect(again).toBe(digest);
  expect(leftOut.length).toBeGreaterThan(0);
});

test('names that only look alike are packed', async () => {
  const paths = ['environment.env.txt', 'env', 'my_node_modules', 'pycache', 'a.py', 'x.pyd.txt', 'venv.py'];
  await write(...paths);
  expect(await packed()).toEqual(paths.toSorted());
});

test('.gitignore files apply where they are, with their negations, and as git reads them', async () => {
  await write(
    'hook.mjs',
    'a.log',
    'keep.log',
    'OUT.LOG',
    'build/x',
    'sub/build',
    'sub/deep/a.tmp',
    'sub/deep/b.tmp',
  );
  await rules('.gitignore', '# comment', '*.log', '!keep.log', '/build/');
  await rules('sub/.gitignore', '*.tmp', '!b.tmp');
  expect(await packed()).toEqual([
    ...['OUT.LOG', 'hook.mjs', 'keep.log', 'sub', 'sub/build', 'sub/deep', 'sub/deep/b.tmp'],
  ]);
});

test('.osaignore leaves out, and takes in what other rules leave out', async () => {
  await write(
    'hook.mjs',
    'tests/a.py',
    'dist/bundle.js',
    'dist/x.pyc',
    'node_modules/a/index.js',
    '.env.example',
  );
  await write('node_modules/a/lib/.env', 'sub/tests/a.py', 'node_modules/a/node_modules/b/index.js');
  await rules('.gitignore', 'dist/', 'node_modules');
  await rules('node_modules/a/.gitignore', 'index.js');
  await rules('.osaignore', '/tests/', '!dist/', '!node_modules/', '!.env.example');
  expect((await packed()).filter((path) => !(path === 'sub') && /[.]/.test(path))).toEqual([
    '.env.example',
    'dist/bundle.js',
    'hook.mjs',
    'node_modules/a/index.js',
    'node_modules/a/node_modules/b/index.js',
    'sub/tests/a.py',
  ]);
});

test('what git tracks is packed although a .gitignore leaves it out; what git ignores is not', async () => {
  await write('hook.mjs', 'lib/a.mjs', 'lib/b.mjs', 'private.csv', 'cache/x', '.env');
  await rules('.gitignore', 'lib/');
  const git = { tracked: ['hook.mjs', 'lib/a.mjs', '.env'], ignored: ['private.csv', 'cache/'] };
  expect(await packed(git)).toEqual(['hook.mjs', 'lib', 'lib/a.mjs']);
  const { onlyTracked, leftOut } = await packDirectory(source, {
    git: { tracked: new Set(git.tracked), ignored: new Set(git.ignored) },
  });
  expect(onlyTracked).toEqual(['lib/a.mjs']);
  expect(leftOut).toEqual([
    { path: '.env', why: 'by default' },
    { path: 'cache/', why: 'ignored by git' },
    { path: 'lib/b.mjs', why: '.gitignore' },
    { path: 'private.csv', why: 'ignored by git' },
  ]);
});

test('where git cannot be asked, the .gitignore files up to the root of the repository apply', async () => {
  await write(
    '.git/HEAD',
    'hooks/a/hook.mjs',
    'hooks/a/data/secret.json',
    'hooks/a/keep.json',
    'hooks/a/b.csv',
  );
  await rules('.gitignore', 'secret.json', '*.csv', 'hooks/a/keep.json', '/data');
  await rules('hooks/.gitignore', '!keep.json');
  const paths = async () => (await packDirectory(join(source, 'hooks/a'))).entries.map(({ path }) => path);
  expect(await paths()).toEqual(['hook.mjs', 'keep.json']);
  await rules('.gitignore', 'hooks/');
  expect(await paths()).toEqual(['b.csv', 'data', 'data/secret.json', 'hook.mjs', 'keep.json']);
  await rules('.gitignore', '*.csv');
  await rm(join(source, '.git'), { recursive: true });
  expect(await paths()).toContain('b.csv');
});

test('a directory is packed when it is empty, and not when everything in it is left out', async () => {
  await write('hook.mjs', 'cache/deep/a.pyc');
  await mkdir(join(source, 'empty'));
  await mkdir(join(source, 'mixed/empty'), { recursive: true });
  await write('mixed/.env');
  expect(await packed()).toEqual(['empty', 'hook.mjs', 'mixed', 'mixed/empty']);
});

test('a rule file that is a link is not followed, and one that is too large is refused', async () => {
  await write('hook.mjs');
  await rules('rules.txt', 'hook.mjs');
  await symlink('rules.txt', join(source, '.gitignore'));
  expect(await packed()).toContain('hook.mjs');
  await rules('.osaignore', '#'.repeat(300_000));
  await expect(packDirectory(source)).rejects.toThrow(/\.osaignore" is larger than/);
});
