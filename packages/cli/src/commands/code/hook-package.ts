import { type PackedDirectory, packDirectory } from '@osa/core/hook/archive/pack';
import { suggest } from '@osa/core/suggest';
import { gitFiles, openRepository, readTree } from './repository.ts';
import { secretProblem } from './secrets.ts';
import { packageSource, type Source } from './source-ref.ts';

/** A hook's directory, packed, with what is worth a warning in it. */
export interface HookPackage extends PackedDirectory {
  /** The directory that was packed, as it was given. */
  readonly directory: string;
  /** One sentence each. */
  readonly warnings: readonly string[];
  /** Where its bytes come from. Git is asked once, before they are read. */
  source(): Promise<Source>;
}

/** @throws OsaError `usage`, `too_large`, as `packDirectory` does */
export async function packHook(
  directory: string,
  { command, environment }: { readonly command: readonly string[]; readonly environment: NodeJS.ProcessEnv },
): Promise<HookPackage> {
  const asked = await openRepository(directory, environment);
  if ('why' in asked) {
    const packed = await packDirectory(directory);
    return withWarnings(packed, {
      directory,
      command,
      source: () => packageSource(asked, { packed, listed: asked }, environment),
    });
  }
  const { repository } = asked;
  const listed = await readTree(repository, repository.prefix);
  const tree = 'tree' in listed ? listed.tree : undefined;
  const packed = await packDirectory(directory, { git: await gitFiles(repository, tree) });
  return withWarnings(packed, {
    directory,
    command,
    source: () => packageSource(asked, { packed, listed }, environment),
  });
}

function withWarnings(
  packed: PackedDirectory,
  {
    directory,
    command,
    source,
  }: {
    readonly directory: string;
    readonly command: readonly string[];
    readonly source: () => Promise<Source>;
  },
): HookPackage {
  const secrets = packed.entries.flatMap((entry) => {
    const problem = entry.type === 'file' ? secretProblem(entry.path, entry.content) : undefined;
    return problem === undefined
      ? []
      : [`${entry.path} ${problem}: it is packed, and the archive keeps it; leave it out with .osaignore`];
  });
  return { ...packed, directory, source, warnings: [...scriptProblems(packed, command), ...secrets] };
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
    const out = leftOut.find(
      (one) => path === one.path || (one.path.endsWith('/') && path.startsWith(one.path)),
    );
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
