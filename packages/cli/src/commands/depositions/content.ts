import { basename, resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import type { Answer } from '@osa/core/api';
import { FileRequirements } from '@osa/core/convention/convention';
import { asOsaError, OsaError } from '@osa/core/error';
import { flawOfNewName } from '@osa/core/file/name';
import { problemOfFiles } from '@osa/core/file/rules';
import { parseExactJson } from '@osa/core/json/exact';
import { parseJson } from '@osa/core/json/parse';
import { isJsonObject } from '@osa/core/json/raw';
import { readCell } from '@osa/core/record/cell';
import { suggest } from '@osa/core/suggest';
import { excerpt } from '@osa/core/text';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { counted } from '../../terminal/format.ts';
import { type LocalFile, localFile, sizeOfFiles } from '../ingestions/files/local.ts';
import { uploadFiles } from '../ingestions/files/upload.ts';
import { withProgress } from '../ingestions/progress.ts';
import { readTextFile, readTextStream } from '../text-file.ts';

type Fields = Answer<'showConvention'>['fields'];
type Rules = Answer<'showConvention'>['file_requirements'];
export type Metadata = Readonly<Record<string, unknown>>;

/** The content of a deposition, as options of the commands that write it. */
export const contentOptions = {
  metadata: {
    value: 'FILE',
    description: 'the metadata, as a JSON object of fields; - is standard input',
    parse: (given: string) => given,
  },
  set: {
    value: 'FIELD=VALUE',
    description: 'one field of the metadata, read by its type in the schema; may be given again',
    repeatable: true,
    parse: parseSet,
  },
  file: {
    value: 'PATH',
    description: 'a file of the record; may be given again',
    repeatable: true,
    parse: (given: string) => given,
  },
} as const;

/** @throws OsaError `usage` */
function parseSet(given: string): readonly [field: string, value: string] {
  const [, field, value] = /^([a-z][a-z0-9_]*)=(.*)$/s.exec(given) ?? [];
  if (field !== undefined && value !== undefined) return [field, value];
  throw new OsaError('usage', 'It must be a field and its value, such as title="Structure of a protein".');
}

/** The object of a file. Its numbers keep their digits. @throws OsaError `usage` */
export async function readMetadata(context: Context, path: string): Promise<Metadata> {
  const shown = path === '-' ? 'standard input' : path;
  const content =
    path === '-'
      ? await readTextStream(addAbortSignal(context.signal, context.stdin), { shown, field: 'metadata' })
      : await readTextFile(resolve(context.sources.cwd, path), { shown, field: 'metadata' });
  try {
    const value = parseJson(content, { numbers: 'kept' });
    if (isJsonObject(value)) return value;
  } catch (cause) {
    const known = asOsaError(cause);
    if (!known) throw cause;
    throw new OsaError('usage', `${shown}: ${known.message}`, { field: 'metadata', cause });
  }
  throw new OsaError('usage', `${shown} is not a JSON object of fields, such as {"title": "…"}`, {
    field: 'metadata',
  });
}

/** The fields that --set names. An empty value leaves the field out. @throws OsaError `usage` */
export function setFields(
  before: Metadata,
  set: readonly (readonly [string, string])[],
  fields: Fields,
): Metadata {
  const metadata: Record<string, unknown> = { ...before };
  for (const [name, given] of set) {
    const field = fields.find((one) => one.name === name);
    if (!field) {
      const names = fields.map((one) => one.name);
      const near = suggest(name, names);
      const hint = near === undefined ? `its fields are ${names.join(', ')}` : `did you mean ${near}?`;
      throw new OsaError('usage', `--set ${name}: the schema has no such field; ${hint}`, { field: name });
    }
    const cell = readCell(field, given);
    if (cell?.problem !== undefined) {
      throw new OsaError('usage', `--set ${name}: ${cell.problem}`, { field: name });
    }
    if (cell === undefined) delete metadata[name];
    else metadata[name] = parseExactJson(cell.json);
  }
  return metadata;
}

/**
 * The files of these paths, which keep the convention's rule of size.
 *
 * @throws OsaError `usage` for one that cannot be taken, or two of one name, before any is read to its end
 */
export async function localFilesOf(
  { sources, output, signal: stop }: Context,
  given: readonly string[],
  rules: Rules,
): Promise<LocalFile[]> {
  if (given.length === 0) return [];
  const paths = given.map((path) => resolve(sources.cwd, path));
  const names = paths.map((path) => basename(path));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new OsaError('usage', `--file: two files are named ${twice}; rename one`, { field: 'file' });
  }
  for (const name of names) {
    const flaw = flawOfNewName(name);
    if (flaw === undefined) continue;
    throw new OsaError('usage', `--file: the name ${excerpt(name)} ${flaw}`, { field: 'file' });
  }
  const { max_file_size: maxBytes } = FileRequirements.parse(rules);
  const total = await sizeOfFiles(paths, { stop, maxBytes });
  return withProgress(output, false, async (progress) => {
    let hashed = 0;
    const onRead = (bytes: number) => progress.reading(hashed + bytes, total);
    const files: LocalFile[] = [];
    for (const path of paths) {
      const file = await localFile(path, { stop, maxBytes, onRead });
      hashed += file.size;
      files.push(file);
    }
    const problem = problemOfDraft(files, rules);
    if (problem !== undefined) throw new OsaError('usage', `--file: ${problem}`, { field: 'file' });
    return files;
  });
}

/** Why the archive would refuse files of a draft, which may still lack some. */
function problemOfDraft(files: readonly LocalFile[], rules: Rules): string | undefined {
  return problemOfFiles('draft', files, { ...FileRequirements.parse(rules), min_count: 0 });
}

/** Sends the files that the server does not have. */
export async function sendFiles(
  { output, signal }: Context,
  client: Client,
  { convention, files }: { readonly convention: string; readonly files: readonly LocalFile[] },
): Promise<void> {
  if (files.length === 0) return;
  const scope = `depositions:write:${convention}`;
  const { sent } = await withProgress(output, false, (progress) =>
    uploadFiles(client, { convention, files, progress, signal, scope }),
  );
  output.note(`${counted(files.length, 'file')}: ${sent} sent, ${files.length - sent} stored before`);
}

export function named(files: readonly LocalFile[]): { name: string; sha256: string; size: number }[] {
  return files.map(({ name, sha256, size }) => ({ name, sha256, size }));
}
