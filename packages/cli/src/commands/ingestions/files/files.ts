import { dirname, resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import type { problemOfFiles } from '@osa/core/file/rules';
import type { Context } from '../../../command.ts';
import type { RecordsInput } from '../../../input/input.ts';
import { counted } from '../../../terminal/format.ts';
import { withProgress } from '../progress.ts';
import { attachFiles, type WithFiles } from './attach.ts';
import { localFiles } from './local.ts';

/** Directories that are named in a note. */
const mostNamed = 5;

export interface FilesRequest {
  /** `--files`. */
  readonly directory: string | undefined;
  /** The files of records. */
  readonly from: readonly string[];
  readonly rules: Parameters<typeof problemOfFiles>[2];
}

/**
 * The records with their files: those below --files, and those that records name by paths, which begin at --files or
 * beside the first file of records. Records from standard input name none by paths.
 *
 * @throws OsaError `usage`
 */
export async function recordsWithFiles(
  { sources, output, signal }: Context,
  source: RecordsInput,
  { directory, from, rules }: FilesRequest,
): Promise<WithFiles> {
  if (!source.replayable) {
    if (directory === undefined) return { source, files: [] };
    const message =
      '--files: the records are read twice, so write them into a file instead of standard input';
    throw new OsaError('usage', message, { field: 'files' });
  }
  if (directory === undefined && rules.max_count === 0) return { source, files: [] };
  const base = directory ?? dirname(from[0] ?? '.');
  const eachHasDirectory = directory !== undefined;
  const { found, unused } = await withProgress(output, source.isTyped, async (progress) => {
    let hashed = 0;
    const onRead = (bytes = hashed) => {
      hashed = bytes;
      progress.reading(hashed + source.read().bytes, undefined);
    };
    const local = await localFiles(resolve(sources.cwd, base), { stop: signal, onRead });
    const reading = { rules, eachHasDirectory, stop: signal, onRead: () => onRead() };
    const attached = await attachFiles(source, local, reading);
    return { found: attached, unused: eachHasDirectory ? await local.unused() : [] };
  });
  if (unused.length > 0) {
    const names = unused.length > mostNamed ? [...unused.slice(0, mostNamed), '…'] : unused;
    output.note(
      `${counted(unused.length, 'directory', 'directories')} of ${base} belong to no record: ${names.join(', ')}`,
    );
  }
  return found;
}
