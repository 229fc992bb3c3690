import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
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

test.each(allMutants)('the defect $name is in no function that a later migration replaces', ({ defects }) => {
  expect(defects.filter(({ file }) => file.endsWith('.sql')).flatMap(replacements)).toEqual([]);
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

/** Later migrations with a new body for the function that has the defect. */
function replacements({ file, find }: Defect): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const before = text.slice(0, text.indexOf(find));
  const around = [...before.matchAll(/create (?:or replace )?function (\w+)\(/g)].at(-1);
  if (!around || before.slice(around.index).includes('$$;')) return [];
  const [, name] = around;
  const later = readdirSync(join(root, dirname(file))).filter(
    (other) => /^\d{4}_.*\.sql$/.test(other) && other > basename(file),
  );
  return later.filter((other) =>
    new RegExp(`create or replace function ${name}\\(`).test(
      readFileSync(join(root, dirname(file), other), 'utf8'),
    ),
  );
}
