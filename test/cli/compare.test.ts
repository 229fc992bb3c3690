import { compareUrl } from '@osa/cli/commands/hooks/release-differences';
import { age, shortSource } from '@osa/cli/terminal/format';
import { describe, expect, test } from 'vitest';

const [older, newer] = ['1'.repeat(40), '2'.repeat(40)];

describe('the page that compares two commits', () => {
  test.each([
    ['https://github.com/acme/quakes.git', `https://github.com/acme/quakes/compare/${older}...${newer}`],
    ['ssh://github.com/acme/quakes.git', `https://github.com/acme/quakes/compare/${older}...${newer}`],
    ['https://gitlab.com/a/b/quakes', `https://gitlab.com/a/b/quakes/-/compare/${older}...${newer}`],
    [
      'https://gitlab.example.org/a/quakes',
      `https://gitlab.example.org/a/quakes/-/compare/${older}...${newer}`,
    ],
    [
      'https://bitbucket.org/acme/quakes',
      `https://bitbucket.org/acme/quakes/branches/compare/${newer}..${older}`,
    ],
  ])('of %s', (remote, expected) => {
    expect(compareUrl(`git+${remote}@${older}`, `git+${remote}@${newer}-dirty`)).toBe(expected);
  });

  test.each([
    ['an unknown host', `git+https://example.org/a/b@${older}`, `git+https://example.org/a/b@${newer}`],
    [
      'a host that only looks known',
      `git+https://github.com.evil/a/b@${older}`,
      `git+https://github.com.evil/a/b@${newer}`,
    ],
    ['two repositories', `git+https://github.com/a/b@${older}`, `git+https://github.com/a/c@${newer}`],
    ['one commit', `git+https://github.com/a/b@${older}`, `git+https://github.com/a/b@${older}-dirty`],
    ['no remote', `git:${older}`, `git:${newer}`],
    ['what is no commit', 'git+https://github.com/a/b@main', 'git+https://github.com/a/b@next'],
    ['no source', 'unknown', 'unknown'],
  ])('is not made up for %s', (_, from, to) => {
    expect(compareUrl(from, to)).toBeUndefined();
  });
});

test('an age is said in its largest unit', () => {
  const now = Date.parse('2026-03-01T00:00:00Z');
  const ages = [
    '2026-02-28T23:59:59Z',
    '2026-02-28T23:00:00Z',
    '2026-02-26T00:00:00Z',
    '2024-02-01T00:00:00Z',
    'x',
  ];
  expect([...ages, null].map((at) => age(at, now))).toEqual([
    '1 second',
    '1 hour',
    '3 days',
    '2 years',
    '-',
    '-',
  ]);
  expect(age('2026-03-01T00:00:09Z', now)).toBe('0 seconds');
});

test('a source keeps the beginning of its commit, and what else it says', () => {
  expect(shortSource(`git+https://github.com/a/b@${older}-dirty`)).toBe(
    'git+https://github.com/a/b@111111111111-dirty',
  );
  expect(shortSource(`git:${older}`)).toBe('git:111111111111');
  expect(shortSource('git:abc1234')).toBe('git:abc1234');
});
