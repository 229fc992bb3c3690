import { expect, test } from 'vitest';
import { type Facts, obstacles } from '../../scripts/release.ts';

/** What stops a release, and that nothing else does. */

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
