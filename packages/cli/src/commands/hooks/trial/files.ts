import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { StoredFile } from '@osa/core/file/file';
import type { IncomingRecord } from '@osa/core/ingestion/ingestions';
import type { FileStore } from '@osa/core/storage/index';
import type { LocalFile } from '../../ingestions/files/local.ts';

export interface TrialFiles {
  readonly linkFile: FileStore['link'];
  /** The record, with what the bytes of its files say against it. */
  checked(record: IncomingRecord): IncomingRecord;
}

/**
 * Copies the files of records below `place`, checked as by a daemon. A hook gets links to the copies, so it cannot change
 * the files themselves.
 *
 * @throws OsaError `invalid` for a file that changes meanwhile
 */
export async function trialFiles(
  place: string,
  files: readonly LocalFile[],
  signal: AbortSignal,
): Promise<TrialFiles> {
  const [{ filesystemFiles }, { problemOfStored }] = await Promise.all([
    import('@osa/core/storage/resumable-files'),
    import('@osa/core/file/rules'),
  ]);
  const store = filesystemFiles(join(place, 'files'));
  const known = new Map<string, StoredFile>();
  for (const { path, sha256, size } of files) {
    const part = { sender: 'trial', offset: 0, size };
    const { stored } = await store.receive(sha256, createReadStream(path, { signal }), part);
    if (stored) known.set(sha256, stored);
  }
  return {
    linkFile: store.link,
    checked: (record) =>
      record.problem === null ? { ...record, problem: problemOfStored(record.files, known) ?? null } : record,
  };
}
