import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { OsaError } from '@osa/core/error';
import { digestOf } from '../download.ts';

/** The checksums of an export, in the form that `sha256sum -c` reads. */

export const checksumFile = 'checksums.sha256';

/** Writes these texts beside the tables, and the checksums of both. Returns the paths of all files of the export. */
export async function writeDescriptions(
  directory: string,
  tables: readonly { readonly path: string; readonly sha256: string }[],
  texts: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const sums = new Map(tables.map(({ path, sha256 }) => [path, sha256]));
  for (const [name, text] of Object.entries(texts)) {
    await writeFile(join(directory, name), text, { flush: true });
    sums.set(name, createHash('sha256').update(text).digest('hex'));
  }
  const paths = [...sums.keys()].sort();
  const lines = paths.map((path) => `${sums.get(path)}  ${path}\n`);
  await writeFile(join(directory, checksumFile), lines.join(''), { flush: true });
  return [checksumFile, ...paths];
}

export interface Verified {
  readonly files: number;
  readonly missing: readonly string[];
  readonly changed: readonly string[];
  readonly unknown: readonly string[];
}

/** The files of an export, wherever they are. */
export interface Files {
  readonly name: string;
  /** Separated by `/`. */
  paths(): Promise<readonly string[]>;
  /** SHA-256; undefined for a file that cannot be read. */
  digest(path: string): Promise<string | undefined>;
  text(path: string): Promise<string>;
}

export function directoryFiles(directory: string, stop: AbortSignal): Files {
  return {
    name: directory,
    paths: () => filesOf(directory),
    async digest(path) {
      // A link leads elsewhere, and a pipe has no end.
      const isFile = (await lstat(join(directory, path))).isFile();
      return isFile ? digestOf(join(directory, path), stop) : undefined;
    },
    text: (path) => readFile(join(directory, path), 'utf8'),
  };
}

/** @throws OsaError `usage` for what is not an export */
export async function verifyExport(files: Files): Promise<Verified> {
  const found = await files.paths().catch((cause: unknown) => {
    if (cause instanceof OsaError) throw cause;
    throw notExport(files.name, cause);
  });
  if (!found.includes(checksumFile)) throw notExport(files.name);
  const { listed, isWhole } = listedIn(await files.text(checksumFile));
  const changed: string[] = isWhole ? [] : [checksumFile];
  for (const path of found) {
    const digest = listed.get(path);
    if (digest !== undefined && digest !== (await files.digest(path))) changed.push(path);
  }
  return {
    files: listed.size,
    missing: [...listed.keys()].filter((path) => !found.includes(path)),
    changed,
    unknown: found.filter((path) => path !== checksumFile && !listed.has(path)),
  };
}

/** The checksums by path; not whole if a line is something else. */
function listedIn(text: string): { readonly listed: ReadonlyMap<string, string>; readonly isWhole: boolean } {
  const lines = text.split('\n').filter((line) => line !== '');
  const read = lines.map((line) => /^([0-9a-f]{64}) {2}(.+)$/.exec(line));
  const listed = new Map(read.flatMap((found) => (found ? [[found[2] ?? '', found[1] ?? ''] as const] : [])));
  return { listed, isWhole: listed.size > 0 && listed.size === lines.length };
}

function notExport(name: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${name} has no ${checksumFile}, so it is not a complete export`, {
    field: '--verify',
    cause,
  });
}

/** Everything except directories: links and pipes, too. */
export async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
