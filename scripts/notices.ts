import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

interface Bundled {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly text: string;
}

/** The licences of the packages that a bundle holds, as one text; `root` is that of the workspace. */
export async function thirdPartyNotices(metafile: Metafile, root: string): Promise<string> {
  const directories = new Set(
    Object.keys(metafile.inputs).flatMap(
      (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
    ),
  );
  const found = await Promise.all([...directories].map((directory) => licenceOf(join(root, directory))));
  return found
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text.trim()}\n`)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenceOf(directory: string): Promise<Bundled> {
  const manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Omit<
    Bundled,
    'text'
  >;
  const { name, version, license } = manifest;
  if (!license) throw new Error(`${name} ${version} names no licence; it cannot be bundled`);
  const file = (await readdir(directory)).find((entry) => /^licen[cs]e|^copying/i.test(entry));
  const text = file ? await readFile(join(directory, file), 'utf8') : `Licensed under ${license}.`;
  return { name, version, license, text };
}
