import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { OsaError } from '@osa/core/error';
import { digestOfFile } from '@osa/core/file/digest';
import type { RecordFile } from '@osa/core/file/file';
import { flawOfName } from '@osa/core/file/name';
import { bounds } from '@osa/core/limits';
import { systemCode } from '@osa/core/system/error';
import { excerpt } from '@osa/core/text';
import { nounOf } from '../../out-place.ts';

/** A file of a record, as it is on this machine. */
export interface LocalFile extends RecordFile {
  readonly path: string;
  /** Its time of change when it was hashed. */
  readonly modifiedMs: number;
}

/** How files are read. */
export interface LocalReading {
  /** Ends it, with the signal's reason. */
  readonly stop: AbortSignal;
  /** The largest file that a convention takes; 0 leaves that to the archive. */
  readonly maxBytes?: number;
  /** Gets the bytes that have been hashed. */
  readonly onRead?: (bytes: number) => void;
}

/** Files below a directory; nothing else on the machine is read, whatever a record names. */
export interface LocalFiles {
  /** The files in the directory of a record, if there is one. */
  ofRecord(sourceId: string): Promise<LocalFile[]>;
  /** The files of these paths. */
  named(paths: readonly string[]): Promise<LocalFile[]>;
  /** Directories of which no record has a file, and that no record is named after, in order. */
  unused(): Promise<string[]>;
}

/** @throws OsaError `usage` for a directory that is not there; the functions, for a file that cannot be taken */
export async function localFiles(directory: string, reading: LocalReading): Promise<LocalFiles> {
  const root = await realpath(directory).catch((cause: unknown) => {
    throw refusal(directory, systemCode(cause) === 'ENOENT' ? 'is not there' : 'cannot be read', cause);
  });
  const known = new Map<string, LocalFile>();
  const used = new Set<string>();
  let hashed = 0;
  const onRead = (bytes: number) => reading.onRead?.(hashed + bytes);
  const read = async (path: string): Promise<LocalFile> => {
    const before = known.get(path);
    if (before) return before;
    const found = await localFile(path, { ...reading, onRead });
    known.set(path, found);
    hashed += found.size;
    return found;
  };
  return {
    async ofRecord(sourceId) {
      if (flawOfName(sourceId) !== undefined) return [];
      used.add(sourceId);
      const place = join(root, sourceId);
      const files: LocalFile[] = [];
      for (const name of await namesIn(place)) files.push(await read(join(place, name)));
      return files;
    },
    async named(paths) {
      const files: LocalFile[] = [];
      for (const path of paths) {
        const place = await within(root, path);
        used.add(relative(root, place).split(sep)[0] ?? '');
        files.push(await read(place));
      }
      return files;
    },
    async unused() {
      const entries = await readdir(root, { withFileTypes: true });
      const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
      return names.filter((name) => !used.has(name) && !name.startsWith('.')).sort();
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

/** @throws OsaError `usage` for anything but a file that can be read, and before it is read for one that is too large */
export async function localFile(path: string, reading: LocalReading): Promise<LocalFile> {
  await using opened = await openLocal(path, reading);
  const { mtimeMs: modifiedMs } = await opened.stat();
  const { sha256, size } = await digestOfFile(opened, reading.stop, reading.onRead);
  return { path, name: basename(path), sha256, size, modifiedMs };
}

/** The sizes of files together, in bytes. @throws OsaError `usage`, as `localFile` does */
export async function sizeOfFiles(paths: readonly string[], reading: LocalReading): Promise<number> {
  let total = 0;
  for (const path of paths) {
    await using opened = await openLocal(path, reading);
    total += (await opened.stat()).size;
  }
  return total;
}

async function openLocal(path: string, { maxBytes = 0 }: LocalReading): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((cause: unknown) => {
    throw refusal(path, reasonOf(path, systemCode(cause)), cause);
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      const instead = stats.isDirectory() ? ': name those in it by their paths' : '';
      throw refusal(path, `is ${nounOf(stats)}, and osa takes files only${instead}`);
    }
    const isOfConvention = maxBytes > 0 && maxBytes < bounds.fileBytes;
    const most = isOfConvention ? maxBytes : bounds.fileBytes;
    if (stats.size <= most) return file;
    const who = isOfConvention ? 'the convention' : 'an archive';
    throw refusal(
      path,
      `has ${stats.size} bytes, and ${who} takes files of ${most} bytes at most; divide it`,
    );
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Why a file could not be opened. */
function reasonOf(path: string, code: string | undefined): string {
  if (code === 'ELOOP') return 'is a symbolic link; put the file itself there';
  if (code === 'ENXIO') return 'is a socket, and osa takes files only';
  // Node shows bytes that are no UTF-8 so, and then does not find the file.
  if (code === 'ENOENT' && path.includes('\ufffd')) return 'has a name that is not UTF-8; rename it';
  return code === 'ENOENT' ? 'is not there' : `cannot be read (${code ?? 'unknown'})`;
}

function refusal(path: string, why: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${excerpt(path, 200)} ${why}`, { field: 'files', cause });
}
