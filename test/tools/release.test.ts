import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dated, decisions, type Facts, obstacles } from '../../scripts/obstacles.ts';
import { scratch } from '../support/database/database.ts';

/** The obstacles that stop a release, and that nothing else does. */

const root = join(import.meta.dirname, '../..');

const ready: Facts = {
  version: '0.2.0',
  changed: [],
  tags: ['v0.1.0'],
  changelog: '# Changelog\n\n## 0.2.0 (2027-01-31)\n\n- It is faster.\n\n## 0.1.0 (2026-12-01)\n\n- All.\n',
  versions: { 'package.json': '0.2.0', 'packages/cli/package.json': '0.2.0' },
  migrations: ['0001_initial.sql', '0002_more.sql'],
  digests: ['aa  0001_initial.sql', 'bb  0002_more.sql'],
  released: ['aa  0001_initial.sql', 'bb  0002_more.sql'],
  dumps: ['0.1.0', '0.2.0'],
};

test('a tree that is ready', () => {
  expect(obstacles(ready)).toEqual([]);
});

test.each<[string, Partial<Facts>, RegExp]>([
  ['no version', { version: '' }, /no version/],
  ['a version that is none', { version: 'v0.2' }, /give one such as 0.1.0/],
  ['a changed file', { changed: [' M README.md'] }, /not clean \(M README.md/],
  ['a tag that is there', { tags: ['v0.2.0'] }, /tagged already/],
  ['another version', { versions: { 'package.json': '0.1.0' } }, /package.json has the version 0.1.0/],
  ['no section', { changelog: '# Changelog\n' }, /no section "## 0.2.0/],
  ['the section of a longer version', { changelog: '## 0.2.0-rc.1 (2027-01-01)\n- x\n' }, /no section/],
  ['no date', { changelog: '## 0.2.0 (unreleased)\n- x\n' }, /has no date/],
  ['nothing in the section', { changelog: '## 0.2.0 (2027-01-31)\n\n## 0.1.0\n- x\n' }, /is empty/],
  ['a gap in the migrations', { migrations: ['0001_a.sql', '0003_b.sql'] }, /without a gap/],
  [
    'a migration that was not recorded',
    { released: ['aa  0001_initial.sql'] },
    /1 migrations are not in released/,
  ],
  [
    'an edited migration',
    { digests: ['cc  0001_initial.sql'] },
    /0001_initial.sql was released and is edited/,
  ],
  ['no database for the next upgrade', { dumps: ['0.1.0'] }, /no database of 0.2.0/],
])('%s stops it', (_name, change, expected) => {
  const found = obstacles({ ...ready, ...change });
  expect(found.join('\n')).toMatch(expected);
});

test.each<[string, Partial<Facts>, number]>([
  ['a changed file', { changed: [' M README.md'] }, 1],
  ['an empty section', { changelog: '## 0.2.0 (unreleased)\n' }, 1],
  [
    'a date, a list and a database',
    { changelog: '## 0.2.0 (unreleased)\n- x\n', released: [], dumps: [] },
    0,
  ],
])('%s: what a person must decide is not prepared', (_name, change, count) => {
  expect(decisions({ ...ready, ...change })).toHaveLength(count);
});

test('the date is written into the heading of the version alone', () => {
  const before = '# Changelog\n\n## 0.2.0 (unreleased)\n\n- 0.2.0 (unreleased)\n\n## 0.1.0 (2026-12-01)\n';
  const after = '# Changelog\n\n## 0.2.0 (2027-01-31)\n\n- 0.2.0 (unreleased)\n\n## 0.1.0 (2026-12-01)\n';
  expect(dated(before, '0.2.0', '2027-01-31')).toBe(after);
});

describe('the script, in a repository of its own', () => {
  let place: Awaited<ReturnType<typeof scratch>>;
  const git = (...args: string[]) => execa('git', args, { cwd: place.path });
  const release = async (...args: string[]) => {
    const options = { cwd: place.path, reject: false, env: { DATABASE_URL: '' } } as const;
    const { exitCode, stderr } = await execa(process.execPath, ['scripts/release.ts', ...args], options);
    return [exitCode, stderr] as const;
  };
  const path = (name: string) => join(place.path, name);

  beforeAll(async () => {
    place = await scratch();
    const manifests = ['cli', 'core', 'daemon'].map((name) => `packages/${name}/package.json`);
    const migrations = 'packages/core/src/postgres/migrations';
    for (const part of ['package.json', ...manifests, migrations, 'scripts'])
      await cp(join(root, part), path(part), { recursive: true });
    for (const name of ['package.json', ...manifests]) {
      const manifest = JSON.parse(await readFile(path(name), 'utf8')) as object;
      await writeFile(path(name), JSON.stringify({ ...manifest, version: '0.1.0' }));
    }
    await symlink(join(root, 'node_modules'), path('node_modules'));
    await cp(join(root, 'test/upgrade/0.1.0-rc.1.sql.gz'), path('test/upgrade/0.1.0.sql.gz'));
    await writeFile(path('.gitignore'), 'node_modules\n');
    await writeFile(path('CHANGELOG.md'), '# Changelog\n');
    await writeFile(path(`${migrations}/released.sha256`), '');
    await git('init', '--quiet');
    await git('config', 'user.name', 'A Person');
    await git('config', 'user.email', 'person@example.org');
    await commit();
  }, 60_000);
  afterAll(() => place.dispose());

  async function commit(): Promise<void> {
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'x');
  }

  test('names what is missing, and prepares nothing that a person must decide', async () => {
    const [code, missing] = await release('0.1.0', '--prepare', '--tag');
    expect([code, missing]).toEqual([1, expect.stringContaining('no section "## 0.1.0')]);
    expect(missing).toMatch(/\d+ migrations are not in released.sha256/);
    await writeFile(path('CHANGELOG.md'), '# Changelog\n\n## 0.1.0 (unreleased)\n\n- All.\n');
    expect(await release('0.1.0', '--prepare', '--tag')).toEqual([
      1,
      expect.stringMatching(/not clean \(M CHA/),
    ]);
    expect((await git('tag', '--list')).stdout).toBe('');
    expect((await git('log', '--format=%s')).stdout).toBe('x');
  }, 60_000);

  test('without --prepare it changes nothing; with it, date and list are in one commit', async () => {
    await commit();
    const [code, stderr] = await release('0.1.0');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/has no date.*\n.*migrations are not in released/),
    ]);
    expect((await git('status', '--porcelain')).stdout).toBe('');
    // The programs are not here, so it stops at their build.
    await release('0.1.0', '--prepare');
    const { stdout } = await git('show', '--name-only', '--format=%s');
    expect(stdout.split('\n').filter(Boolean)).toEqual([
      'osa 0.1.0',
      'CHANGELOG.md',
      'packages/core/src/postgres/migrations/released.sha256',
    ]);
    expect(await readFile(path('CHANGELOG.md'), 'utf8')).toMatch(/^## 0\.1\.0 \(\d{4}-\d\d-\d\d\)$/m);
    expect((await git('tag', '--list')).stdout).toBe('');
  }, 60_000);
});
