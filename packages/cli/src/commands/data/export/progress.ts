import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { digestOf } from '../download.ts';
import { anyNotes, removeNotes, writeNotes } from '../notes.ts';
import type { ExportedTable } from './package.ts';
import { filesOf } from './verify.ts';

/** The tables of an export that are done; kept in its directory until it is complete. */
export interface Progress {
  readonly identity: string;
  readonly as_of?: string;
  readonly tables: readonly ExportedTable[];
}

const fileName = 'export-in-progress.json';

/**
 * Goes on with the tables that the same command has left in `part`, and makes the directory. A table whose file is not as it was
 * written is left out, so it is saved again. Files of another export are removed.
 *
 * @throws OsaError `usage` when the directory has files of somebody else
 */
export async function begun(part: string, identity: string, signal: AbortSignal): Promise<Progress> {
  const left = await anyNotes<Progress>(join(part, fileName));
  if (left === undefined) await requireEmpty(part);
  const isSame = left?.identity === identity;
  if (!isSame) await rm(part, { recursive: true, force: true });
  await makeDirectories(join(part, 'data'));
  const tables: ExportedTable[] = [];
  for (const table of isSame ? left.tables : []) {
    const sha256 = await digestOf(join(part, table.path), signal).catch(() => undefined);
    signal.throwIfAborted();
    if (sha256 === table.sha256) tables.push(table);
  }
  const progress = { identity, ...(isSame && left.as_of !== undefined && { as_of: left.as_of }), tables };
  await keepProgress(part, progress);
  return progress;
}

/** Its files would be taken for parts of the export. */
async function requireEmpty(part: string): Promise<void> {
  const [file] = await filesOf(part).catch(() => []);
  if (file === undefined) return;
  throw new OsaError(
    'usage',
    `${part} has files that are not of an unfinished export, such as ${file}; move them away, or give --out another name`,
    { field: '--out' },
  );
}

export async function keepProgress(part: string, progress: Progress): Promise<void> {
  await writeNotes<Progress>(join(part, fileName), progress);
}

export async function removeProgress(part: string): Promise<void> {
  await removeNotes(join(part, fileName));
}
