import ignore, { type Ignore } from 'ignore';

/**
 * Decides which paths of a hook's directory are not packed. The first of these rules that applies decides:
 *
 * 1. `.git`, `.osa` and `.DS_Store` are never packed.
 * 2. `.osaignore` files, in the syntax of `.gitignore`, the deepest first. `!name` takes in what later rules leave out,
 *    and a directory that is taken in so is free of git's rules.
 * 3. Names that no release should hold: secrets of a machine, caches, installed dependencies, files of editors.
 * 4. Git's rules: the `.gitignore` files of the directory, and what git itself ignores. They do not apply to files that
 *    git tracks. Where git cannot be asked, the `.gitignore` files up to the repository's root decide.
 */

/** Paths below the packed directory as git knows them; `ignored` directories end with a slash. */
export interface GitFiles {
  readonly tracked: ReadonlySet<string>;
  readonly ignored: ReadonlySet<string>;
}

export interface LeftOut {
  /** A directory that is left out as a whole ends with a slash. */
  readonly path: string;
  readonly why: 'never packed' | '.osaignore' | 'by default' | '.gitignore' | 'ignored by git';
}

const neverPacked: readonly string[] = ['.git', '.osa', '.DS_Store'];

/** By the name alone, so that a directory may be taken in by an `.osaignore`. */
const byDefault = ignore({ ignorecase: false }).add([
  ...['.env*', '.venv', '.direnv'],
  ...[
    'node_modules',
    '__pycache__',
    '*.py[cod]',
    '.tox',
    '.nox',
    '.cache',
    '*.egg-info',
    '.ipynb_checkpoints',
  ],
  ...[
    '.pytest_cache',
    '.mypy_cache',
    '.ruff_cache',
    '.hypothesis',
    '.eslintcache',
    '.nyc_output',
    '.Rhistory',
  ],
  ...['.idea', '.vscode', '*.swp', '*.swo', '*~', '.#*', '\\#*\\#', 'Thumbs.db', 'desktop.ini'],
  ...['.hg', '.svn'],
]);

/** The files whose rules are read where they are. */
export const ruleFiles = ['.osaignore', '.gitignore'] as const;
export type RuleFile = (typeof ruleFiles)[number];

/** The rules that apply to the names of one directory. */
export interface Rules {
  /** Undefined for what is packed. */
  judge(path: string, isDirectory: boolean): Verdict;
  /** The rules one directory down, with the text of the rule files there. */
  below(directory: string, texts: ReadonlyMap<RuleFile, string>): Rules;
}

export interface Verdict {
  readonly leftOut?: LeftOut['why'];
  /** Packed only because git tracks it: a `.gitignore` of the directory leaves it out. */
  readonly onlyTracked?: true;
}

/** The rule files of one directory. */
interface Level {
  /** The path as it is seen from there. */
  seen(path: string): string;
  readonly rules: ReadonlyMap<RuleFile, Ignore>;
}

/** The `.gitignore` of a directory above the packed one. */
export interface OuterRules {
  /** The way down to the packed directory, with a slash at its end. */
  readonly way: string;
  readonly text: string;
}

/**
 * The rules of the directory to be packed. `outer`, the deepest first, is for a repository whose git cannot be asked. It
 * does not count if it leaves out the whole directory.
 */
export function rulesOf(
  texts: ReadonlyMap<RuleFile, string>,
  { git, outer = [] }: { readonly git?: GitFiles | undefined; readonly outer?: readonly OuterRules[] } = {},
): Rules {
  const tracked = git && withParents(git.tracked);
  const above = outer.map(
    ({ way, text }): Level => ({ seen: (path) => `${way}${path}`, rules: parsed([['.gitignore', text]]) }),
  );
  const isLeftOut = said(above, '.gitignore', '') === true;
  return rulesAt([levelOf('', texts), ...(isLeftOut ? [] : above)], {
    isTracked: (path) => tracked?.has(path) === true,
    isIgnored: (path) => git?.ignored.has(path) === true,
  });
}

interface Known {
  isTracked(path: string): boolean;
  isIgnored(path: string): boolean;
}

/** `taken` is the directory that an `.osaignore` takes in, below which git's rules do not count. */
function rulesAt(levels: readonly Level[], known: Known, taken?: string): Rules {
  const isTaken = (path: string) => taken !== undefined && path.startsWith(`${taken}/`);
  return {
    judge(path, isDirectory) {
      const spelled = isDirectory ? `${path}/` : path;
      const name = nameOf(path);
      if (neverPacked.includes(name)) return { leftOut: 'never packed' };
      const own = said(levels, '.osaignore', spelled);
      if (own !== undefined) return own ? { leftOut: '.osaignore' } : {};
      if (byDefault.ignores(isDirectory ? `${name}/` : name)) return { leftOut: 'by default' };
      if (isTaken(path)) return {};
      const byFile = said(levels, '.gitignore', spelled) === true;
      if (known.isTracked(path)) return byFile && !isDirectory ? { onlyTracked: true } : {};
      if (byFile) return { leftOut: '.gitignore' };
      return known.isIgnored(spelled) ? { leftOut: 'ignored by git' } : {};
    },
    below(directory, texts) {
      const isNamed = said(levels, '.osaignore', `${directory}/`) === false;
      const deeper = texts.size === 0 ? levels : [levelOf(`${directory}/`, texts), ...levels];
      return rulesAt(deeper, known, isTaken(directory) || !isNamed ? taken : directory);
    },
  };
}

/** `directory` is empty for the top, and else has a slash at its end. */
function levelOf(directory: string, texts: ReadonlyMap<RuleFile, string>): Level {
  return { seen: (path) => path.slice(directory.length), rules: parsed(texts) };
}

function parsed(texts: Iterable<readonly [RuleFile, string]>): Map<RuleFile, Ignore> {
  return new Map(Array.from(texts, ([file, text]) => [file, ignore({ ignorecase: false }).add(text)]));
}

/** Whether the deepest rule that matches leaves the path out; undefined when none does. */
function said(levels: readonly Level[], file: RuleFile, path: string): boolean | undefined {
  for (const { seen, rules } of levels) {
    const result = rules.get(file)?.test(seen(path));
    if (result?.ignored) return true;
    if (result?.unignored) return false;
  }
  return undefined;
}

function withParents(paths: ReadonlySet<string>): ReadonlySet<string> {
  const all = new Set(paths);
  for (const path of paths) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end);
      if (all.has(parent)) break;
      all.add(parent);
    }
  }
  return all;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
