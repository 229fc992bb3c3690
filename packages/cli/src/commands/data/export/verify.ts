import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { OsaError } from '@osa/core/error';
import { digestOf } from '../download.ts';

/** The checksums of an export, in the form that `sha256sum -c` reads. */

export const checksumFile = 'checksums.sha256';

/** Writes those of all files but `except`. */
export async function writeChecksums(
  directory: string,
  { except, stop }: { readonly except: string; readonly stop: AbortSignal },
): Promise<void> {
  const lines: string[] = [];
  for (const path of await filesOf(directory)) {
    if (path !== checksumFile && path !== except) {
      lines.push(`${await digestOf(join(directory, path), stop)}  ${path}\n`);
    }
  }
  await writeFile(join(directory, checksumFile), lines.join(''), { flag: 'wx' });
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
    digest: (path) => digestOf(join(directory, path), stop),
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
  const listed = new Map(
    (await files.text(checksumFile))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(66), line.slice(0, 64)] as const),
  );
  const changed: string[] = [];
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

function notExport(name: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${name} has no ${checksumFile}, so it is not a complete export`, {
    field: '--verify',
    cause,
  });
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
