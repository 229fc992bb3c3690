import { appendFile, mkdtemp, rename, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInput } from '@osa/cli/input/input';
import { expect, test } from 'vitest';

/** A file that is written to while it is read: its records may be of two states, so none is stored. */

const fields = [{ name: 'n', type: 'number' as const, cardinality: 'exactly_one' as const, required: false }];
const rows = (from: number) =>
  Array.from({ length: 40_000 }, (_, index) => `r${from + index},${index}\n`).join('');

/** Reads the file, and does `meanwhile` after its first piece. */
async function readWhile(meanwhile: (path: string) => Promise<unknown>, name = 'x.csv'): Promise<number> {
  const cwd = await mkdtemp(join(tmpdir(), 'osa-changed-'));
  const path = join(cwd, 'x.csv');
  await writeFile(path, `id,n\n${rows(0)}`);
  const context = { sources: { cwd } } as Parameters<typeof openInput>[0];
  const reading = { format: undefined, separator: undefined, encoding: undefined };
  const options = { ...reading, id: undefined, map: [], ignore: [], fill: false };
  const input = await openInput(context, { files: [name], field: 'file' }, options);
  input.readFor({ fields, openText: false });
  let size = 0;
  for await (const piece of input.open()) {
    if (size === 0) await meanwhile(path);
    size += piece.length;
  }
  return size;
}

test.each([
  ['longer', (path: string) => appendFile(path, rows(40_000))],
  ['shorter', (path: string) => truncate(path, 300_000)],
  ['another of the same length', (path: string) => writeFile(path, `id,n\n${rows(0).replaceAll('r', 's')}`)],
])('one that becomes %s is refused', async (_, change) => {
  await expect(readWhile(change)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/^x\.csv has changed while it was read; nothing is stored/),
  });
});

test('one that is left alone, or replaced by another, is read as it was', async () => {
  const size = await readWhile(() => Promise.resolve());
  const replaced = await readWhile(async (path) => {
    await writeFile(`${path}.new`, 'id,n\n');
    await rename(`${path}.new`, path);
  });
  expect([size, replaced]).toEqual([size, size]);
  expect(size).toBeGreaterThan(1_000_000);
});
