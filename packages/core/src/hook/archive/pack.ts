import { createHash } from 'node:crypto';
import { constants, lstat, open, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { OsaError } from '../../error.ts';
import { bounds } from '../../limits.ts';
import type { GitFiles, LeftOut } from './left-out.ts';
import { type Found, refused, survey } from './survey.ts';
import {
  blockBytes,
  encodeHead,
  endOfArchive,
  padding,
  placeProblem,
  type TarEntry,
  typesByPath,
} from './tar.ts';

export interface PackedDirectory {
  /** `sha256:` and 64 lower-case hex digits over the tar's bytes. */
  readonly digest: string;
  /** Bytes of the tar. */
  readonly size: number;
  /** Regular files in it. */
  readonly files: number;
  /** The entries of the tar, in its order. */
  readonly entries: readonly TarEntry[];
  /** Paths that are in it only because git tracks them: a `.gitignore` of the directory leaves them out. */
  readonly onlyTracked: readonly string[];
  /** Files of the directory that the tar leaves out. */
  readonly leftOut: readonly LeftOut[];
  /** Streams the tar, from its start each time. */
  open(): Readable;
}

export interface PackOptions {
  /** The files as git knows them, if it has been asked. */
  readonly git?: GitFiles | undefined;
  /** Ends the packing, which throws its reason. */
  readonly stop?: AbortSignal | undefined;
}

/**
 * Packs a directory into the canonical tar of tar.ts. The same content has the same digest on every machine, with any
 * times, owners and place. left-out.ts says what is not packed. Empty directories count, permissions do not, except the
 * owner's right to execute a file. The tar is held in memory.
 *
 * @throws OsaError `usage` for what cannot be packed: a missing directory, a link that leaves it or leads nowhere, a
 * socket, device or pipe, a name that is not UTF-8, a file that changes meanwhile; `too_large` beyond
 * `bounds.blobBytes` or `bounds.blobFiles`. `field` is the path.
 */
export async function packDirectory(
  directory: string,
  { git, stop }: PackOptions = {},
): Promise<PackedDirectory> {
  const root = await rootOf(directory);
  const { found, leftOut } = await survey(root, git);
  refuseTooLarge(directory, found);
  const entries: TarEntry[] = [];
  for (const one of found) {
    stop?.throwIfAborted();
    entries.push(await readEntry(root, one));
  }
  refuseChanges(found, (await survey(root, git)).found);

  const types = typesByPath(entries);
  const chunks: Uint8Array[] = [];
  for (const entry of entries) {
    const problem = placeProblem(entry, types);
    if (problem !== undefined) throw refused(entry.path, problem);
    chunks.push(encodeHead(entry));
    if (entry.type === 'file') chunks.push(entry.content, padding(entry.content.length));
  }
  chunks.push(endOfArchive);
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return {
    digest: `sha256:${hash.digest('hex')}`,
    size: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    files: entries.filter(({ type }) => type === 'file').length,
    entries,
    onlyTracked: found.filter((one) => one.onlyTracked).map(({ path }) => path),
    leftOut,
    open: () => Readable.from(chunks.filter(({ length }) => length > 0)),
  };
}

async function readEntry(root: string, { path, stats }: Found): Promise<TarEntry> {
  if (stats.isDirectory()) return { type: 'directory', path };
  if (stats.isSymbolicLink()) return { type: 'link', path, target: await readlink(join(root, path)) };
  if (!stats.isFile()) {
    throw refused(path, 'is a socket, a pipe or a device; only files, directories and links are packed');
  }
  const file = await open(
    join(root, path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch((cause: unknown) => {
    throw refused(path, 'cannot be read; check its permissions', cause);
  });
  try {
    // One byte more than expected: a file that grows must neither pass nor be read without end.
    const content = Buffer.alloc(Number(stats.size) + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < content.length; length += count) {
      ({ bytesRead: count } = await file.read(content, length, content.length - length));
    }
    if (length !== Number(stats.size)) throw changed(path);
    return {
      type: 'file',
      path,
      executable: (stats.mode & 0o100n) !== 0n,
      content: content.subarray(0, length),
    };
  } finally {
    await file.close();
  }
}

/** The survey before the read and the one after it must agree, or the tar could mix two states. */
function refuseChanges(before: readonly Found[], after: readonly Found[]): void {
  const late = new Map(after.map((found) => [found.path, signature(found)]));
  for (const found of before) {
    if (late.get(found.path) !== signature(found)) throw changed(found.path);
    late.delete(found.path);
  }
  for (const path of late.keys()) throw changed(path);
}

/** A directory's own times say nothing: what is in it is compared itself, and what is excluded may change. */
function signature({ stats }: Found): string {
  const { ino, mode, size, mtimeNs, ctimeNs } = stats;
  return stats.isDirectory() ? `${ino} ${mode}` : `${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}`;
}

function refuseTooLarge(directory: string, found: readonly Found[]): void {
  const files = found.filter(({ stats }) => stats.isFile());
  const total = files.reduce((sum, { stats }) => sum + Number(stats.size), found.length * blockBytes);
  if (total <= bounds.blobBytes) return;
  const largest = files.reduce((a, b) => (b.stats.size > a.stats.size ? b : a));
  throw new OsaError(
    'too_large',
    `${directory} has ${total} bytes; at most ${bounds.blobBytes} can be packed. ` +
      `The largest file is ${JSON.stringify(largest.path)} with ${largest.stats.size} bytes: keep data out of the hook's directory`,
    { field: directory, details: { bytes: total, limit: bounds.blobBytes, largest: largest.path } },
  );
}

async function rootOf(directory: string): Promise<string> {
  try {
    const root = await realpath(directory);
    const stats = await lstat(root);
    if (stats.isDirectory()) return root;
  } catch (cause) {
    throw new OsaError('usage', `${directory} cannot be packed: no such directory, or it cannot be read`, {
      field: directory,
      cause,
    });
  }
  throw new OsaError('usage', `${directory} is not a directory; name the one that holds the hook's code`, {
    field: directory,
  });
}

function changed(path: string): OsaError {
  return refused(path, 'changed while the directory was being packed; try again when nothing writes to it');
}
