import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** The built CLI loads most of itself at the point of use, so a name that a chunk does not have is found by users only. */

const chunks = 'packages/cli/dist/chunks';

function exportsOf(text: string): string[] {
  const lists = [...text.matchAll(/export\s*\{([^}]*)\}/g)].flatMap(([, list = '']) => list.split(','));
  const named = lists.map(
    (one) =>
      one
        .split(/\sas\s/)
        .at(-1)
        ?.trim() ?? '',
  );
  return /export default/.test(text) ? [...named, 'default'] : named;
}

test('each name that is taken from a chunk when it is loaded is one that it exports', async () => {
  const files = (await readdir(chunks)).filter((name) => name.endsWith('.js'));
  const texts = new Map(
    await Promise.all(files.map(async (name) => [name, await readFile(join(chunks, name), 'utf8')] as const)),
  );
  const taken = [...texts.values()].flatMap((text) => [
    ...[...text.matchAll(/\{([^{}]*)\}=await import\("\.\/([^"]+)"\)/g)].flatMap(
      ([, names = '', from = '']) =>
        names.split(',').map((name) => ({ from, name: name.split(':', 1)[0] ?? '' })),
    ),
    ...[...text.matchAll(/\(await import\("\.\/([^"]+)"\)\)\.(\w+)/g)].map(([, from = '', name = '']) => ({
      from,
      name,
    })),
  ]);
  expect(taken.length).toBeGreaterThan(60);
  const missing = taken.filter(({ from, name }) => !exportsOf(texts.get(from) ?? '').includes(name));
  expect(missing).toEqual([]);
});

test.each(['packages/cli/dist/chunks', 'packages/daemon/dist'])(
  'nothing in %s reads all of a module of Node that makes its exports when they are read',
  async (directory) => {
    const names = (await readdir(directory)).filter((name) => /\.m?js$/.test(name));
    const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
    const read = texts.flatMap(
      (text) => text.match(/\b(?:from|import)\s?"(?:node:)?(?:fs|http|process|util)"/g) ?? [],
    );
    expect(read).toEqual([]);
  },
);
