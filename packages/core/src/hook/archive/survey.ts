import type { BigIntStats } from 'node:fs';
import { constants, lstat, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OsaError } from '../../error.ts';
import { bounds } from '../../limits.ts';
import {
  type GitFiles,
  type LeftOut,
  type OuterRules,
  type RuleFile,
  type Rules,
  ruleFiles,
  rulesOf,
} from './left-out.ts';
import { pathProblem } from './tar.ts';

export interface Found {
  readonly path: string;
  readonly stats: BigIntStats;
  /** It is packed only because git tracks it. */
  readonly onlyTracked: boolean;
}

export interface Survey {
  /** In the byte order of the paths, directories before what is in them. */
  readonly found: readonly Found[];
  readonly leftOut: readonly LeftOut[];
}

/**
 * Everything below `root` that is to be packed, and what is left out. A directory is left out as well if nothing else
 * was in it, so a cache alone makes no other package. A directory that is empty on disk is packed.
 *
 * @throws OsaError `usage` for a name that cannot be packed, `too_large` for too many files
 */
export async function survey(root: string, git: GitFiles | undefined): Promise<Survey> {
  const found: Found[] = [];
  const leftOut: LeftOut[] = [];
  const waiting: { path: string; rules: Rules }[] = [];
  const top = await namesIn(root);
  const outer = git === undefined ? await outerRules(root) : [];
  const begin = { path: '', rules: rulesOf(await ruleTexts(root, top), { git, outer }) };
  for (let next: typeof begin | undefined = begin; next !== undefined; next = waiting.pop()) {
    const { path: parent, rules } = next;
    for (const name of parent === '' ? top : await namesIn(join(root, parent))) {
      const path = parent === '' ? name : `${parent}/${name}`;
      const stats = await lstat(join(root, path), { bigint: true });
      const isDirectory = stats.isDirectory();
      const { leftOut: why, onlyTracked = false } = rules.judge(path, isDirectory);
      if (found.length + leftOut.length >= bounds.blobFiles) throw tooManyFiles(root);
      if (why !== undefined) {
        leftOut.push({ path: isDirectory ? `${path}/` : path, why });
        continue;
      }
      const problem = pathProblem(path);
      if (problem !== undefined) throw refused(path, problem);
      found.push({ path, stats, onlyTracked });
      if (isDirectory) waiting.push({ path, rules: await rulesIn(root, path, rules) });
    }
  }
  found.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  leftOut.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { found: withoutEmptied(found, leftOut), leftOut };
}

/** Without the directories that would hold something if nothing were left out. */
function withoutEmptied(found: readonly Found[], leftOut: readonly LeftOut[]): Found[] {
  const emptied = new Set(leftOut.map(({ path }) => parentOf(path.replace(/\/$/, ''))));
  const holding = new Set<string>();
  const kept: Found[] = [];
  for (const entry of found.toReversed()) {
    const parent = parentOf(entry.path);
    if (entry.stats.isDirectory() && emptied.has(entry.path) && !holding.has(entry.path)) {
      emptied.add(parent);
      continue;
    }
    holding.add(parent);
    kept.push(entry);
  }
  return kept.toReversed();
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The `.gitignore` files from the directory above `root` to the root of its repository, if it is in one. */
async function outerRules(root: string): Promise<OuterRules[]> {
  const outer: OuterRules[] = [];
  let directory = root;
  let way = '';
  while (!(await exists(join(directory, '.git')))) {
    const parent = dirname(directory);
    if (parent === directory) return [];
    way = `${basename(directory)}/${way}`;
    directory = parent;
    const names = (await exists(join(directory, '.gitignore'))) ? ['.gitignore'] : [];
    const text = (await ruleTexts(directory, names)).get('.gitignore');
    if (text !== undefined) outer.push({ way, text });
  }
  return outer;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory, { encoding: 'buffer' })).map(decode);
}

async function rulesIn(root: string, path: string, rules: Rules): Promise<Rules> {
  return rules.below(path, await ruleTexts(join(root, path), await namesIn(join(root, path))));
}

const ruleBytes = 256 * 1024;

/** The rule files of one directory. Like git, this follows no link. */
async function ruleTexts(directory: string, names: readonly string[]): Promise<Map<RuleFile, string>> {
  const texts = new Map<RuleFile, string>();
  for (const name of ruleFiles) {
    if (!names.includes(name)) continue;
    const path = join(directory, name);
    const stats = await lstat(path);
    if (!stats.isFile()) continue;
    if (stats.size > ruleBytes) throw refused(path, `is larger than ${ruleBytes} bytes; shorten its rules`);
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      texts.set(name, await file.readFile('utf8'));
    } finally {
      await file.close();
    }
  }
  return texts;
}

function decode(name: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(name);
  } catch (cause) {
    throw refused(name.toString('latin1'), 'has a name that is not UTF-8; rename it', cause);
  }
}

function tooManyFiles(directory: string): OsaError {
  return new OsaError(
    'too_large',
    `${directory} holds more than ${bounds.blobFiles} files and directories, the most that can be packed`,
    { field: directory, details: { limit: bounds.blobFiles } },
  );
}

/** `path` cannot be packed. */
export function refused(path: string, problem: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${JSON.stringify(path)} ${problem}`, { field: path, cause });
}
