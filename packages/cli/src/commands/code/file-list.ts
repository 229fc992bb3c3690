import type { TarEntry } from '@osa/core/hook/archive/tar';
import type { Context } from '../../command.ts';
import { bytes, counted } from '../../terminal/format.ts';
import { bold, dim, type Line, line, yellow } from '../../terminal/paint.ts';
import type { HookPackage } from './hook-package.ts';

/** What is packed for each hook, and what is left out. */

type Packages = ReadonlyMap<string, HookPackage>;

export const listFilesOption = {
  description: 'list the files that would be packed, and what is left out; send nothing',
} as const;

export function fileListDocument(packages: Packages) {
  const hooks = [...packages].map(([hook, { digest, size, entries, leftOut, warnings }]) => ({
    hook,
    digest,
    bytes: size,
    files: entries.filter(isFile).map(listed),
    left_out: leftOut.map(({ path, why }) => ({ path, why })),
    warnings,
  }));
  return { hooks };
}

type FileEntry = Exclude<TarEntry, { type: 'directory' }>;

function isFile(entry: TarEntry): entry is FileEntry {
  return entry.type !== 'directory';
}

function listed(entry: FileEntry) {
  const { path } = entry;
  return entry.type === 'link'
    ? { path, bytes: 0, executable: false, link: entry.target }
    : { path, bytes: entry.content.length, executable: entry.executable, link: null };
}

export function fileListLines(packages: Packages): Line[] {
  const lines = fileListDocument(packages).hooks.flatMap(({ hook, digest, bytes: size, files, left_out }) => [
    line`${bold(hook)}  ${counted(files.length, 'file')}, ${bytes(size)} packed, ${digest}`,
    ...files.map(({ path, bytes: length, executable, link }) =>
      link === null
        ? line`  ${path}  ${dim(`${bytes(length)}${executable ? ', executable' : ''}`)}`
        : line`  ${path} -> ${link}`,
    ),
    ...left_out.map(({ path, why }) => dim(`  left out: ${path}  (${why})`)),
  ]);
  return lines.length > 0 ? lines : ['no hook runs a directory, so nothing is packed'];
}

/** Says what looks wrong in a package. */
export function noteWarnings(
  { output }: Context,
  hook: string,
  { warnings }: Pick<HookPackage, 'warnings'>,
): void {
  output.note(...warnings.map((warning) => line`${yellow('warning:')} ${hook}: ${warning}`));
}
