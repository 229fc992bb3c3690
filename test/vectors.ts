import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Collections that others publish for tests, in the directory OSA_TEST_VECTORS; undefined where they are not. */

const directory =
  process.env.OSA_TEST_VECTORS ?? fileURLToPath(new URL('../../shared/vectors', import.meta.url));

/** `blns.json` of the Big List of Naughty Strings, each string once. */
export const bigList = present(() => {
  const strings: string[] = JSON.parse(readFileSync(join(directory, 'blns.json'), 'utf8'));
  return [...new Set(strings)];
});

/** The files of `test_parsing` of JSONTestSuite. */
export const jsonSuite = present(() =>
  readdirSync(join(directory, 'test_parsing'))
    .filter((name) => /^[iny]_.*\.json$/.test(name))
    .map((name) => ({ name, bytes: readFileSync(join(directory, 'test_parsing', name)) })),
);

function present<T>(reading: () => T): T | undefined {
  try {
    return reading();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
