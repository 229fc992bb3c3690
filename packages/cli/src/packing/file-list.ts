import type { TarEntry } from '@osa/core/hook/archive/tar';
import type { Context } from '../command.ts';
import { bytes, counted } from '../terminal/format.ts';
import { bold, dim, type Line, line, yellow } from '../terminal/paint.ts';
import type { HookPackage } from './hook-package.ts';

/** Lists the files that are packed for each hook, and those that are left out. */

type Packages = ReadonlyMap<string, HookPackage>;

export const listFilesOption = {
  description: 'list the files that would be packed, and what is left out; send nothing',
} as const;

export function fileListDocument(packages: Packages) {
  const hooks = [...packages].map(([hook, { digest, size, entries, leftOut, warnings }]) => ({
    hook,
    digest,
    bytes: size,
    files: listedFiles(entries),
    left_out: leftOut.map(({ path, why }) => ({ path, why })),
    warnings,
  }));
  return { hooks };
}

export function fileListLines(packages: Packages): Line[] {
  const lines = fileListDocument(packages).hooks.flatMap(({ hook, digest, bytes: size, files, left_out }) => [
    line`${bold(hook)}  ${counted(files.length, 'file')}, ${bytes(size)} packed, ${digest}`,
    ...listedLines(files),
    ...left_out.map(({ path, why }) => dim(`  left out: ${path}  (${why})`)),
  ]);
  return lines.length > 0 ? lines : ['no hook runs a directory, so nothing is packed'];
}

export interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  readonly executable: boolean;
  /** The target of a symbolic link. */
  readonly link: string | null;
}

/** The files and links of a package. */
export function listedFiles(entries: readonly TarEntry[]): ListedFile[] {
  return entries.flatMap((entry): ListedFile[] => {
    const { type, path } = entry;
    if (type === 'directory') return [];
    if (type === 'link') return [{ path, bytes: 0, executable: false, link: entry.target }];
    return [{ path, bytes: entry.content.length, executable: entry.executable, link: null }];
  });
}

export function listedLines(files: readonly ListedFile[]): Line[] {
  return files.map(({ path, bytes: size, executable, link }) =>
    link === null
      ? line`  ${path}  ${dim(`${bytes(size)}${executable ? ', executable' : ''}`)}`
      : line`  ${path} -> ${link}`,
  );
}

/** Says what looks wrong in a package. */
export function noteWarnings(
  { output }: Context,
  hook: string,
  { warnings }: Pick<HookPackage, 'warnings'>,
): void {
  output.note(...warnings.map((warning) => line`${yellow('warning:')} ${hook}: ${warning}`));
}
