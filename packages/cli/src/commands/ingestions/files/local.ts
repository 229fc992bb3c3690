import { constants } from 'node:fs';
import { lstat, open, readdir, realpath } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { OsaError } from '@osa/core/error';
import { digestOfFile } from '@osa/core/file/digest';
import type { RecordFile } from '@osa/core/file/file';
import { flawOfName } from '@osa/core/file/name';
import { systemCode } from '@osa/core/system/error';
import { excerpt } from '@osa/core/text';

/** A file of a record, as it is on this machine. */
export interface LocalFile extends RecordFile {
  readonly path: string;
}

/** Files below a directory; nothing else on the machine is read, whatever a record names. */
export interface LocalFiles {
  /** The files in the directory of a record, if there is one. */
  ofRecord(sourceId: string): Promise<LocalFile[]>;
  /** The files of these paths. */
  named(paths: readonly string[]): Promise<LocalFile[]>;
  /** Directories that no record was asked for, in order. */
  unused(): Promise<string[]>;
}

/** @throws OsaError `usage` for a directory that is not there; the functions, for a file that cannot be taken */
export async function localFiles(directory: string): Promise<LocalFiles> {
  const root = await realpath(directory).catch((cause: unknown) => {
    throw refusal(directory, systemCode(cause) === 'ENOENT' ? 'is not there' : 'cannot be read', cause);
  });
  const known = new Map<string, LocalFile>();
  const asked = new Set<string>();
  const read = async (path: string): Promise<LocalFile> => {
    const found = known.get(path) ?? (await localFile(path));
    known.set(path, found);
    return found;
  };
  return {
    async ofRecord(sourceId) {
      if (flawOfName(sourceId) !== undefined) return [];
      asked.add(sourceId);
      const place = join(root, sourceId);
      const files: LocalFile[] = [];
      for (const name of await namesIn(place)) files.push(await read(join(place, name)));
      return files;
    },
    async named(paths) {
      const files: LocalFile[] = [];
      for (const path of paths) files.push(await read(await within(root, path)));
      return files;
    },
    async unused() {
      const entries = await readdir(root, { withFileTypes: true });
      const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
      return names.filter((name) => !asked.has(name) && !name.startsWith('.')).sort();
    },
  };
}

/** The names in a directory, without those that begin with a dot: systems put them there. */
async function namesIn(place: string): Promise<string[]> {
  try {
    if (!(await lstat(place)).isDirectory()) throw refusal(place, 'is not a directory');
    return (await readdir(place)).filter((name) => !name.startsWith('.')).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function within(root: string, path: string): Promise<string> {
  const found = await realpath(resolve(root, path)).catch((cause: unknown) => {
    throw refusal(path, `is not there, or cannot be read; paths of files begin at ${root}`, cause);
  });
  if (found.startsWith(root + sep)) return found;
  throw refusal(path, `leads out of ${root}; name files below it`);
}

/** @throws OsaError `usage` for anything but a file that can be read */
export async function localFile(path: string): Promise<LocalFile> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((cause: unknown) => {
    const isLink = systemCode(cause) === 'ELOOP';
    throw refusal(path, isLink ? 'is a symbolic link; put the file itself there' : 'cannot be read', cause);
  });
  await using opened = file;
  if (!(await opened.stat()).isFile()) {
    throw refusal(path, 'is not a file; a directory of files holds no other directories');
  }
  const { sha256, size } = await digestOfFile(opened);
  return { path, name: basename(path), sha256, size };
}

function refusal(path: string, why: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${excerpt(path, 200)} ${why}`, { field: 'files', cause });
}
