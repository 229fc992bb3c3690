import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { containerMutants } from '../crash/mutants/containers.ts';
import { historyMutants } from '../crash/mutants/history.ts';
import { mutants } from '../crash/mutants/mutants.ts';
import { type Defect, fewRowsAtOnce } from '../crash/world/bundle.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const all = [...mutants, ...historyMutants, ...containerMutants];

function fits({ file, find }: Defect): void {
  const times = readFileSync(join(root, file), 'utf8').split(find).length - 1;
  expect(times, `${file}: ${find}`).toBe(1);
}

test.each(all)('the defect $name fits the source', ({ defects }) => {
  for (const defect of defects) fits(defect);
});

test('what the crash harness changes for every run fits the source', () => {
  fits(fewRowsAtOnce);
});

test('each defect has a name of its own', () => {
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
});
