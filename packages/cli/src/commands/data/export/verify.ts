import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { OsaError } from '@osa/core/error';
import { digestOf } from '../download.ts';

/** The checksums of an export, in the form that `sha256sum -c` reads. */

export const checksumFile = 'checksums.sha256';

export async function writeChecksums(directory: string): Promise<void> {
  const lines: string[] = [];
  for (const path of await filesOf(directory))
    lines.push(`${await digestOf(join(directory, path))}  ${path}\n`);
  await writeFile(join(directory, checksumFile), lines.join(''), { flag: 'wx' });
}

export interface Verified {
  readonly files: number;
  readonly missing: readonly string[];
  readonly changed: readonly string[];
  readonly unknown: readonly string[];
}

/** @throws OsaError `usage` for a directory that is not an export */
export async function verifyExport(directory: string): Promise<Verified> {
  const text = await readFile(join(directory, checksumFile), 'utf8').catch((cause: unknown) => {
    throw new OsaError('usage', `${directory} has no ${checksumFile}, so it is not a complete export`, {
      field: '--verify',
      cause,
    });
  });
  const listed = new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(66), line.slice(0, 64)] as const),
  );
  const found = await filesOf(directory);
  const changed: string[] = [];
  for (const path of found) {
    const digest = listed.get(path);
    if (digest !== undefined && digest !== (await digestOf(join(directory, path)))) changed.push(path);
  }
  return {
    files: listed.size,
    missing: [...listed.keys()].filter((path) => !found.includes(path)),
    changed,
    unknown: found.filter((path) => !listed.has(path)),
  };
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => path !== checksumFile)
    .sort();
}
