import { lstat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { systemCode } from '@osa/core/system/error';
import { defineCommand } from '../../command.ts';
import { inputOptions, optionsOf } from '../../input/options.ts';
import { shellPath } from '../../terminal/format.ts';
import { bold, line } from '../../terminal/paint.ts';
import { text } from '../../terminal/parse.ts';
import { withProgress } from '../ingestions/progress.ts';
import { madeFrom } from './from.ts';
import { scaffold } from './scaffold.ts';
import { surveyFile } from './survey.ts';

export const init = defineCommand({
  description:
    'Starts a dataset that deploys and runs right away: a convention.yaml, its JSON Schema for editors, a ' +
    'hook, and five sample records. If any of these files exists, nothing is written; --force replaces ' +
    'them.\n\n' +
    'With --from it looks at a file of records, in any format that osa ingest reads, and makes the schema and a hook for it. ' +
    'The command to go on with is shown.',
  arguments: { directory: { description: 'where; created if it does not exist', fallback: '.' } },
  options: {
    from: { value: 'FILE', description: 'make the dataset of these records', parse: text(4_096) },
    format: inputOptions.format,
    separator: inputOptions.separator,
    encoding: inputOptions.encoding,
    force: { description: 'replace existing files' },
  },
  examples: [
    ['osa init', 'in this directory'],
    ['osa init quakes', 'in a directory of its own'],
    ['osa init --from cars.csv', 'for a table'],
  ],
  json: '{"directory", "slug", "created": [paths], "kept": [paths], "ingest": the command to go on with}',
  async run(context, { arguments: { directory }, options: { force, from, ...reading } }) {
    const { output, sources } = context;
    const root = resolve(sources.cwd, directory);
    const { manifestJsonSchema } = await import('@osa/core/convention/manifest/shape');
    const jsonSchema = manifestJsonSchema();
    const slug =
      from === undefined ? await firstSlug([basename(root), 'samples']) : await slugFor(from, root);
    const made =
      from === undefined
        ? { files: scaffold(slug, jsonSchema), hook: 'density', choices: undefined, oddities: [] }
        : madeFrom(
            from,
            await withProgress(output, false, (progress) => surveyFile(context, from, { reading, progress })),
            { slug, jsonSchema },
          );
    const files = new Map(made.files);
    const records = from === undefined ? 'records.ndjson' : relative(root, resolve(sources.cwd, from));

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
    const ingest = `osa ingest ${slug} ${shellPath(records)}${made.choices ? optionsOf(made.choices, reading) : ''}`;
    output.result({ directory: root, slug, created, kept, ingest }, [
      ...created.map((path) => `  ${path}`),
      ...kept.map((path) => `  ${path} is kept as it is; add .osa/ to it`),
      '',
      'Next:',
      ...(enter === '' ? [] : [line`  ${bold(`cd ${shellPath(enter)}`)}`]),
      line`  ${bold('osa dev')}   in another terminal`,
      line`  ${bold('osa deploy')}`,
      line`  ${bold(ingest)}`,
      line`  ${bold(`osa rows ${made.hook}`)}`,
      ...(from === undefined ? [] : [line`  ${bold(`osa trace ${made.hook}/1`)}`]),
      ...(made.oddities.length === 0 ? [] : ['', 'Look at these first, in convention.yaml and in the file:']),
      ...made.oddities.map((oddity) => line`  ${oddity}`),
    ]);
    return undefined;
  },
});

/** The name of a dataset by its file, or by its directory where the file's name makes none. */
async function slugFor(file: string, root: string): Promise<string> {
  const title = titleOf(file);
  // A slug has three characters and begins with a letter; some names have none that a slug may have.
  const longer = /[a-z0-9]/i.test(title) ? [`${title}-data`, `data-${title}`] : [];
  return firstSlug([title, ...longer, basename(root), `${basename(root)}-data`, 'my-data']);
}

async function firstSlug(names: readonly string[]): Promise<string> {
  const { slugOf } = await import('@osa/core/convention/convention');
  const slug = names.map(slugOf).find((name) => name !== undefined);
  if (slug === undefined) throw new OsaError('internal', `${names.join(', ')}: none makes a slug`);
  return slug;
}

/** The name of a file without its endings. @throws OsaError `usage` for standard input, which has none */
function titleOf(file: string): string {
  if (file !== '-') return basename(file).split('.')[0] ?? file;
  throw new OsaError('usage', '--from: give a file; it is read again by osa ingest', { field: 'from' });
}

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
      await makeDirectories(dirname(file));
      await writeFile(file, content, { flag: force ? 'w' : 'wx' });
    } catch (error) {
      throw unwritable(file, error);
    }
  }
}

function unwritable(file: string, cause: unknown): unknown {
  const code = systemCode(cause);
  if (code === undefined) return cause;
  return new OsaError(
    'usage',
    `${file} cannot be written (${code}); name a directory that you can write: osa init DIR`,
    { field: 'directory', cause },
  );
}
