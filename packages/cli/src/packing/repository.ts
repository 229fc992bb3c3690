import { createHash } from 'node:crypto';
import type { GitFiles } from '@osa/core/hook/archive/left-out';
import { type Git, type GitAnswer, gitIn } from '@osa/core/system/git';
import { publicUrl } from './public-url.ts';

/** The repository that a directory is in, at its current commit. */
export interface Repository {
  readonly commit: string;
  /** The root of the working tree. */
  readonly top: string;
  /** The directory below `top`, with `/`; empty for `top` itself. */
  readonly prefix: string;
  readonly git: Git;
}

export type Asked = { readonly repository: Repository } | { readonly why: string };

/** Asks git about a directory; `why` says why it has no answer. */
export async function openRepository(directory: string, environment: NodeJS.ProcessEnv): Promise<Asked> {
  const git = gitIn(directory, environment);
  const head = await git('rev-parse', '--verify', '--end-of-options', 'HEAD^{commit}');
  const [top, prefix] = await Promise.all([
    git('rev-parse', '--show-toplevel'),
    git('rev-parse', '--show-prefix'),
  ]);
  const commit = textOf(head);
  for (const answer of [top, prefix, head]) if (!answer.ok) return { why: whyNot(answer.said) };
  if (!isCommit(commit)) return { why: `git names no commit, but ${JSON.stringify(commit)}` };
  return { repository: { commit, top: textOf(top), prefix: textOf(prefix).replace(/\/$/, ''), git } };
}

/** A commit's full name, by SHA-1 or SHA-256. */
export function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** The answer without the line's end that git adds. */
function textOf({ stdout }: GitAnswer): string {
  return stdout.toString('utf8').replace(/\n$/, '');
}

function whyNot(said: string): string {
  if (/^not a git repository/.test(said)) return 'this is not a git repository';
  if (/^Needed a single revision/.test(said)) return 'the git repository has no commit';
  const [, place] = /dubious ownership in repository at '(.+)'/.exec(said) ?? [];
  const help =
    place === undefined ? '' : `; if you trust it: git config --global --add safe.directory ${place}`;
  return `git says: ${said}${help}`;
}

/** One entry of a commit's tree. */
export interface TreeEntry {
  readonly type: 'file' | 'executable' | 'link' | 'submodule';
  readonly id: string;
}

export type Tree = ReadonlyMap<string, TreeEntry>;
export type ListedTree = { readonly tree: Tree } | { readonly why: string };

const types = {
  '100644': 'file',
  '100664': 'file',
  '100755': 'executable',
  '120000': 'link',
  '160000': 'submodule',
} as const;

/** The files of the commit below `path`, by their paths from there; `why` says why they cannot be read. */
export async function readTree({ git, commit }: Repository, path: string): Promise<ListedTree> {
  const listed = await git('ls-tree', '-r', '-z', '--full-tree', '--end-of-options', `${commit}:${path}`);
  if (listed.ok) return { tree: parseTree(listed.stdout) };
  const isMissing = path !== '' && /^Not a valid object name/.test(listed.said);
  return { why: isMissing ? `the commit has no directory ${path}` : `git says: ${listed.said}` };
}

/** `<mode> SP <type> SP <id> TAB <path> NUL`, again and again. */
function parseTree(listing: Buffer): Tree {
  const tree = new Map<string, TreeEntry>();
  for (const entry of namesOf(listing)) {
    const [, mode = '', id = '', path = ''] = /^(\d+) \w+ ([0-9a-f]+)\t(.*)$/s.exec(entry) ?? [];
    tree.set(path, { type: types[mode as keyof typeof types] ?? 'submodule', id });
  }
  return tree;
}

/** The name that git gives to a content, in the repository of `commit`. */
export function blobHash(commit: string, size: number) {
  return createHash(commit.length === 40 ? 'sha1' : 'sha256').update(`blob ${size}\0`);
}

/** A small content of the commit, such as a pointer to a file that is stored elsewhere; undefined for a large one. */
export async function smallBlob({ git }: Repository, id: string): Promise<string | undefined> {
  const size = await git('cat-file', '-s', id);
  if (!size.ok || Number(textOf(size)) > smallBlobBytes) return undefined;
  const content = await git('cat-file', 'blob', id);
  return content.ok ? content.stdout.toString('latin1') : undefined;
}

const smallBlobBytes = 1_024;

/**
 * The files that git tracks in the directory, in the commit or only in the index, and those it ignores; undefined on
 * failure.
 */
export async function gitFiles({ git }: Repository, tree: Tree | undefined): Promise<GitFiles | undefined> {
  const [index, ignored] = await Promise.all([
    git('ls-files', '-z', '--cached'),
    git('ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory'),
  ]);
  if (!index.ok || !ignored.ok) return undefined;
  return {
    tracked: new Set([...(tree?.keys() ?? []), ...namesOf(index.stdout)]),
    ignored: new Set(namesOf(ignored.stdout)),
  };
}

/** The first file of the index that the commit does not hold. `top` is the repository at its root. */
export async function addedFile(top: Git, tree: Tree): Promise<string | undefined> {
  const index = await top('ls-files', '-z', '--cached');
  return namesOf(index.stdout).find((path) => !tree.has(path));
}

function namesOf(listing: Buffer): string[] {
  return listing
    .toString('utf8')
    .split('\0')
    .filter((name) => name !== '');
}

const mostRemotes = 20;

/** The URL of `origin`, else of the first remote by name, that others can reach; aliases of the user are resolved. */
export async function publicRemote({ git }: Repository): Promise<string | undefined> {
  const listed = await git('config', '--null', '--name-only', '--get-regexp', '^remote\\..*\\.url$');
  const names = namesOf(listed.stdout)
    .map((key) => key.replace(/^remote\.|\.url$/g, ''))
    .filter((name) => !name.startsWith('-'))
    .sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
  for (const name of [...new Set(names)].slice(0, mostRemotes)) {
    const url = publicUrl(textOf(await git('remote', 'get-url', name)));
    if (url !== undefined) return url;
  }
  return undefined;
}

function rank(name: string): number {
  return name === 'origin' ? 0 : 1;
}
