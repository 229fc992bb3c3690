import { compareVersions, SchemaVersion } from '@osa/core/record/schema';
import { expect, test } from 'vitest';

/** Semantic versions as semver.org has them, in lower case. */

const isVersion = (text: string) => SchemaVersion.safeParse(text).success;

test.each([
  ...[
    '0.0.0',
    '1.0.0',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-0.3.7',
    '1.0.0-x-y-z.--',
    '1.0.0--',
    '1.0.0-0a',
  ],
  ...['1.0.0+001', '1.0.0+20130313144700', '1.0.0-beta+exp.sha.5114f85', '1.0.0+21af26d3----117b344092bd'],
])('%s is a version', (text) => {
  expect(isVersion(text)).toBe(true);
});

test.each([
  ...[
    '1',
    '1.0',
    '1.0.0.0',
    '01.0.0',
    '1.00.0',
    '1.0.0-01',
    '1.0.0-rc.01',
    '1.0.0-',
    '1.0.0-.',
    '1.0.0-a.',
    '1.0.0-.a',
  ],
  ...[
    '1.0.0-a..b',
    '1.0.0+',
    '1.0.0+.',
    '1.0.0+a..b',
    '1.0.0+a+b',
    '1.0.0-a_b',
    'v1.0.0',
    '1.0.0-A',
    ' 1.0.0',
    '1.0.0\n',
  ],
])('%j is not', (text) => {
  expect(isVersion(text)).toBe(false);
});

test('they are ordered as numbers of any length, then by prerelease', () => {
  const ordered = [
    ...['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11'],
    ...['1.0.0-rc.1', '1.0.0', '2.0.0', '10.0.0', '9007199254740992.0.0', '9007199254740993.0.0'],
  ];
  expect(ordered.toReversed().sort(compareVersions)).toEqual(ordered);
});
