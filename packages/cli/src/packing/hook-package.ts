import { type PackedDirectory, packDirectory } from '@osa/core/hook/archive/pack';
import { suggest } from '@osa/core/suggest';
import { isPointer } from './lfs.ts';
import { gitFiles, openRepository, readTree, type Tree } from './repository.ts';
import { secretProblem } from './secrets.ts';
import { packageSource, type Source } from './source-ref.ts';

/** A hook's directory, packed, with what is worth a warning in it. */
export interface HookPackage extends PackedDirectory {
  /** One sentence each. */
  readonly warnings: readonly string[];
  /** Where its bytes come from. Git is asked once, before they are read. */
  source(): Promise<Source>;
}

/** @throws OsaError `usage`, `too_large`, as `packDirectory` does */
export async function packHook(
  directory: string,
  {
    command,
    environment,
    stop,
  }: {
    readonly command: readonly string[];
    readonly environment: NodeJS.ProcessEnv;
    readonly stop?: AbortSignal;
  },
): Promise<HookPackage> {
  const asked = await openRepository(directory, environment);
  const listed = 'why' in asked ? asked : await readTree(asked.repository, asked.repository.prefix);
  const tree = 'tree' in listed ? listed.tree : undefined;
  const git = 'why' in asked ? undefined : await gitFiles(asked.repository, tree);
  const packed = await packDirectory(directory, { git, stop });
  const warnings = [
    ...scriptProblems(packed, command),
    ...secretProblems(packed),
    ...trackedProblems(packed, tree),
    ...elsewhereProblems(packed, tree),
  ];
  return { ...packed, warnings, source: () => packageSource(asked, { packed, listed }, environment) };
}

function secretProblems({ entries }: PackedDirectory): string[] {
  return entries.flatMap((entry) => {
    const problem = entry.type === 'file' ? secretProblem(entry.path, entry.content) : undefined;
    return problem === undefined
      ? []
      : [`${entry.path} ${problem}: it is packed, and the archive keeps it; leave it out with .osaignore`];
  });
}

/** Names files that somebody committed on purpose and our own list leaves out. */
function trackedProblems({ leftOut }: PackedDirectory, tree: Tree | undefined): string[] {
  const tracked = [...(tree?.keys() ?? [])];
  return leftOut
    .filter(({ path, why }) => why === 'by default' && tracked.some((name) => covers(path, name)))
    .map(
      ({ path }) =>
        `${path} is committed and left out of the package; take it in with "!${path}" in .osaignore`,
    );
}

/** Names what a clone has only in name: pointers of Git LFS, and submodules that are not checked out. */
function elsewhereProblems({ entries }: PackedDirectory, tree: Tree | undefined): string[] {
  return entries.flatMap((entry) => {
    const { path } = entry;
    if (entry.type === 'file' && isPointer(entry.content)) {
      return [`${path} is a pointer of Git LFS, and the hook would not find its content; run: git lfs pull`];
    }
    const isEmpty = entry.type === 'directory' && !entries.some((one) => one.path.startsWith(`${path}/`));
    return isEmpty && tree?.get(path)?.type === 'submodule'
      ? [`${path}/ is a submodule without its files; run: git submodule update --init --recursive`]
      : [];
  });
}

/** Whether a path that is left out is this one, or a directory that it is in. */
function covers(leftOut: string, path: string): boolean {
  return path === leftOut || (leftOut.endsWith('/') && path.startsWith(leftOut));
}

/** Words of a command that name a script of the directory, such as `hook.py` or `./run.sh`. */
const script = /^(?:\.\/)?[\w@+][\w@+./-]*\.(?:py|[cm]?js|[cm]?ts|sh|bash|pl|rb|r|jl|jar|lua|php)$/i;

function scriptProblems({ entries, leftOut }: PackedDirectory, command: readonly string[]): string[] {
  const paths = entries.filter(({ type }) => type !== 'directory').map(({ path }) => path);
  const [program = '', ...rest] = command;
  const scripts = [
    ...(program.startsWith('./') ? [program] : []),
    ...rest.filter((word) => script.test(word)),
  ];
  return [...new Set(scripts)].flatMap((word) => {
    const path = word.replace(/^(?:\.\/+)+/, '');
    if (paths.includes(path)) {
      return word === program && isPlain(entries, path)
        ? [`command: ${word} is not executable; run: chmod +x ${path}`]
        : [];
    }
    const out = leftOut.find((one) => covers(one.path, path));
    if (out)
      return [
        `command: ${word} is left out of the package (${out.why}); take it in with "!${out.path}" in .osaignore`,
      ];
    const near = suggest(path, paths);
    return [`command: ${word} is not in the directory${near === undefined ? '' : `; did you mean ${near}?`}`];
  });
}

function isPlain(entries: PackedDirectory['entries'], path: string): boolean {
  return entries.some((entry) => entry.path === path && entry.type === 'file' && !entry.executable);
}
