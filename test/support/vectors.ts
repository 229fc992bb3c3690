import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { naughtyStrings } from './fixtures/naughty-strings.ts';

/**
 * Collections that others publish for tests, where somebody has put them into the directory OSA_TEST_VECTORS:
 * `blns.json` of the Big List of Naughty Strings, and `test_parsing` of JSONTestSuite. Nothing stands on them: our own
 * lists of the same kinds are always tried.
 */
const directory = process.env.OSA_TEST_VECTORS;

/** Each with its name; each string stands in it once. */
export const naughtyCollections: readonly (readonly [string, readonly string[]])[] = [
  ['ours', naughtyStrings],
  ...given('blns.json', (path): readonly [string, readonly string[]] => {
    const strings: string[] = JSON.parse(readFileSync(path, 'utf8'));
    return ['the Big List', [...new Set(strings)]];
  }),
];

/** Its files; none, or the one suite. */
export const jsonSuites = given('test_parsing', (path) =>
  readdirSync(path)
    .filter((name) => /^[iny]_.*\.json$/.test(name))
    .map((name) => ({ name, bytes: readFileSync(join(path, name)) })),
).map((suite) => [suite] as const);

function given<T>(name: string, read: (path: string) => T): T[] {
  if (directory === undefined) return [];
  const path = join(directory, name);
  return existsSync(path) ? [read(path)] : [];
}

/** The directory of published schemas, OSA_TEST_STANDARDS; undefined where there is none. */
export const standardsDirectory = process.env.OSA_TEST_STANDARDS;
