import { lstat, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system-error';
import { defineCommand } from '../../command.ts';
import { shellWord } from '../../terminal/format.ts';
import { bold, line } from '../../terminal/paint.ts';
import { scaffold } from './scaffold.ts';

export const init = defineCommand({
  description:
    'Starts a dataset that deploys and runs right away: a convention.yaml, its JSON Schema for editors, a ' +
    'hook, and five sample records. If any of these files exists, nothing is written; --force replaces ' +
    'them.',
  arguments: { directory: { description: 'where; created if it does not exist', fallback: '.' } },
  options: { force: { description: 'replace existing files' } },
  examples: [
    ['osa init', 'in this directory'],
    ['osa init quakes', 'in a directory of its own'],
  ],
  json: '{"directory", "slug", "created": [paths], "kept": [paths]}',
  async run({ output, sources }, { arguments: { directory }, options: { force } }) {
    const root = resolve(sources.cwd, directory);
    const { slugOf } = await import('@osa/core/convention/convention');
    const { manifestJsonSchema } = await import('@osa/core/convention/manifest/shape');
    const slug = slugOf(basename(root)) ?? 'samples';
    const files = new Map(scaffold(slug, manifestJsonSchema()));

    const present = await presentIn(root, [...files.keys()]);
    const taken = present.filter((path) => path !== gitignore);
    if (taken.length > 0 && !force) {
      throw new OsaError('usage', `${taken.join(', ')} in ${root}: already there; --force replaces them`, {
        field: 'directory',
        details: { files: taken },
      });
    }
    // The list of files that git ignores is the user's own, also with --force.
    const kept = present.filter((path) => path === gitignore);
    for (const path of kept) files.delete(path);
    await writeAll(root, files, force);

    const created = [...files.keys()];
    const enter = relative(sources.cwd, root);
    output.result({ directory: root, slug, created, kept }, [
      ...created.map((path) => `  ${path}`),
      ...kept.map((path) => `  ${path} is kept as it is; add .osa/ to it`),
      '',
      'Next:',
      ...(enter === '' ? [] : [line`  ${bold(`cd ${shellWord(enter)}`)}`]),
      line`  ${bold('osad --dev')}   in another terminal`,
      line`  ${bold('osa deploy')}`,
      line`  ${bold(`osa ingest ${slug} records.ndjson`)}`,
      line`  ${bold('osa rows density')}`,
    ]);
    return undefined;
  },
});

const gitignore = '.gitignore';

async function presentIn(root: string, paths: readonly string[]): Promise<string[]> {
  const present = [];
  for (const path of paths) {
    const found = await lstat(join(root, path)).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw unwritable(join(root, path), error);
    });
    if (found) present.push(path);
  }
  return present;
}

async function writeAll(root: string, files: ReadonlyMap<string, string>, force: boolean): Promise<void> {
  for (const [path, content] of files) {
    const file = join(root, path);
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content, { flag: force ? 'w' : 'wx' });
    } catch (error) {
      throw unwritable(file, error);
    }
  }
}

function unwritable(file: string, cause: unknown): unknown {
  const code = systemCode(cause);
  if (code === undefined) return cause;
  return new OsaError('usage', `${file} cannot be written (${code})`, { field: 'directory', cause });
}
