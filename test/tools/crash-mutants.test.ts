import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { allMutants } from '../crash/mutants/all.ts';
import { type Defect, fewRowsAtOnce } from '../crash/world/bundle.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function fits({ file, find }: Defect): void {
  const times = readFileSync(join(root, file), 'utf8').split(find).length - 1;
  expect(times, `${file}: ${find}`).toBe(1);
}

test.each(allMutants)('the defect $name fits the source', ({ defects }) => {
  for (const defect of defects) fits(defect);
});

test('what the crash harness changes for every run fits the source', () => {
  fits(fewRowsAtOnce);
});

test('a defect that makes no row wrong names the tests that catch it', () => {
  const nameless = allMutants.filter(({ isForTests, test: file }) => isForTests && file === undefined);
  expect(nameless.map(({ name }) => name)).toEqual([]);
});

test('each defect has a name of its own', () => {
  expect(new Set(allMutants.map(({ name }) => name)).size).toBe(allMutants.length);
});
