import { createHash, type Hash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackedDirectory } from '@osa/core/hook/archive/pack';
import type { TarEntry } from '@osa/core/hook/archive/tar';
import { sha256 } from '@osa/core/hook/release';
import { gitIn } from '@osa/core/system/git';
import { pointedHash } from './lfs.ts';
import {
  addedFile,
  blobHash,
  openRepository,
  type Repository,
  readTree,
  smallBlob,
  type Tree,
  type TreeEntry,
} from './repository.ts';

/**
 * Compares bytes with a commit. Contents are hashed here, as they are: git would run filters that the repository
 * names, and would believe the flags of its index.
 */

/** The first thing in which a package is not what the commit holds at its place; undefined when it is the same. */
export async function packageDifference(
  { entries, leftOut, onlyTracked }: Pick<PackedDirectory, 'entries' | 'leftOut' | 'onlyTracked'>,
  tree: Tree,
  repository: Repository,
): Promise<string | undefined> {
  const files = entries.filter(({ type }) => type !== 'directory');
  const inUse = new Set(files.flatMap(({ path }) => parentsOf(path)));
  for (const entry of entries) {
    if (entry.type === 'directory') {
      if (!inUse.has(entry.path)) return `${entry.path}/ is empty, and no commit holds an empty directory`;
      continue;
    }
    const difference = await entryDifference(entry, tree.get(entry.path), repository);
    if (difference !== undefined) return `${entry.path} ${difference}`;
  }
  const packed = new Set(files.map(({ path }) => path));
  const isLeftOut = (path: string) =>
    leftOut.some((out) => path === out.path || (out.path.endsWith('/') && path.startsWith(out.path)));
  for (const [path, { type }] of tree) {
    if (type === 'submodule')
      return `${path} is a submodule, whose files are in no commit of this repository`;
    if (!packed.has(path) && !isLeftOut(path)) return `${path} is in the commit and not in the directory`;
  }
  const [odd] = onlyTracked;
  if (odd === undefined) return undefined;
  return `${odd} is tracked, and a .gitignore beside it leaves it out; add "!${odd.split('/').at(-1)}" there`;
}

async function entryDifference(
  entry: Exclude<TarEntry, { type: 'directory' }>,
  known: TreeEntry | undefined,
  repository: Repository,
): Promise<string | undefined> {
  if (!known) return 'is not in the commit';
  const content = entry.type === 'link' ? Buffer.from(entry.target) : entry.content;
  const type = entry.type === 'link' ? 'link' : entry.executable ? 'executable' : 'file';
  if (known.type !== type) return `is ${named[type]}, in the commit ${named[known.type]}`;
  const isSame =
    blobHash(repository.commit, content.length).update(content).digest('hex') === known.id ||
    (type !== 'link' && sha256(content) === (await pointedFrom(repository, known)));
  return isSame ? undefined : 'differs from the commit';
}

const named = {
  file: 'a file that is not executable',
  executable: 'an executable file',
  link: 'a symbolic link',
  submodule: 'a submodule',
} as const;

function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** How a file that was read as `content` differs from the commit; undefined when it does not. */
export async function fileDifference(
  repository: Repository,
  { name, content }: { readonly name: string; readonly content: Uint8Array },
): Promise<string | undefined> {
  const listed = await readTree(repository, repository.prefix);
  if ('why' in listed) return listed.why;
  const known = listed.tree.get(name);
  if (!known) return `${name} is not in the commit`;
  const isSame =
    (known.type === 'file' || known.type === 'executable') &&
    blobHash(repository.commit, content.length).update(content).digest('hex') === known.id;
  return isSame ? undefined : `${name} differs from the commit`;
}

/** Hashing all files of a repository takes no longer. */
const checkoutMs = 60_000;

/** The first tracked file of the whole repository that is not as in the commit. Other files do not count. */
export async function checkoutDifference(
  repository: Repository,
  environment: NodeJS.ProcessEnv,
  { deadline = Date.now() + checkoutMs, stop }: Partial<Ends> = {},
): Promise<string | undefined> {
  const listed = await readTree(repository, '');
  if ('why' in listed) return listed.why;
  for (const [path, known] of listed.tree) {
    if (Date.now() > deadline) return 'the files of the repository cannot be compared within a minute';
    const checkout = { repository, environment, deadline, stop };
    const difference = await trackedDifference(join(repository.top, path), known, checkout);
    if (difference !== undefined) return `${path} ${difference}`;
  }
  const added = await addedFile(gitIn(repository.top, environment), listed.tree);
  return added === undefined ? undefined : `${added} is added and not in the commit`;
}

interface Ends {
  readonly deadline: number;
  readonly stop: AbortSignal | undefined;
}

interface Checkout extends Ends {
  readonly repository: Repository;
  readonly environment: NodeJS.ProcessEnv;
}

async function trackedDifference(
  path: string,
  known: TreeEntry,
  checkout: Checkout,
): Promise<string | undefined> {
  const stats = await lstat(path).catch(() => undefined);
  if (known.type === 'submodule') return submoduleDifference(path, known.id, checkout);
  if (!stats) return 'is missing';
  const type = typeOf(stats);
  if (type !== known.type) return `is ${type ? named[type] : 'no file'}, in the commit ${named[known.type]}`;
  const { repository, stop } = checkout;
  const id =
    type === 'link'
      ? await linkId(path, repository.commit)
      : await hashOf(path, blobHash(repository.commit, stats.size), stop);
  const isSame = id === known.id || (type !== 'link' && (await isStoredElsewhere(path, known, checkout)));
  return isSame ? undefined : 'differs from the commit';
}

/** Whether the commit holds a pointer of Git LFS to this very content. */
async function isStoredElsewhere(
  path: string,
  known: TreeEntry,
  { repository, stop }: Checkout,
): Promise<boolean> {
  const oid = await pointedFrom(repository, known);
  return oid !== undefined && (await hashOf(path, createHash('sha256'), stop)) === oid;
}

/** The SHA-256 of the content for which the commit holds a pointer of Git LFS; undefined if it holds none there. */
async function pointedFrom(repository: Repository, known: TreeEntry): Promise<string | undefined> {
  return pointedHash((await smallBlob(repository, known.id)) ?? '');
}

function typeOf(stats: Stats): TreeEntry['type'] | undefined {
  if (stats.isSymbolicLink()) return 'link';
  if (!stats.isFile()) return undefined;
  return (stats.mode & 0o100) === 0 ? 'file' : 'executable';
}

async function linkId(path: string, commit: string): Promise<string> {
  const target = await readlink(path, { encoding: 'buffer' });
  return blobHash(commit, target.length).update(target).digest('hex');
}

async function hashOf(path: string, hash: Hash, stop: AbortSignal | undefined): Promise<string | undefined> {
  try {
    for await (const chunk of createReadStream(path, { signal: stop })) hash.update(chunk as Buffer);
  } catch {
    stop?.throwIfAborted();
    return undefined;
  }
  return hash.digest('hex');
}

/** Ignores submodules that are not checked out. */
async function submoduleDifference(
  path: string,
  commit: string,
  { environment, deadline, stop }: Checkout,
): Promise<string | undefined> {
  const names = await readdir(path).catch(() => []);
  if (names.length === 0) return undefined;
  const asked = await openRepository(path, environment);
  if ('why' in asked) return `is a submodule: ${asked.why}`;
  if (asked.repository.commit !== commit || asked.repository.prefix !== '') {
    return `is at ${asked.repository.commit}, in the commit at ${commit}`;
  }
  const difference = await checkoutDifference(asked.repository, environment, { deadline, stop });
  return difference && `has a difference: ${difference}`;
}
