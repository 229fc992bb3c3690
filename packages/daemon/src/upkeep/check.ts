import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { connect } from '@osa/core/postgres/connection/connect';
import { checkRestored, type RestoredReport } from '@osa/core/postgres/upkeep/restored';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { visible } from '@osa/core/text';

export interface CheckOptions {
  readonly url: string;
  readonly dataDirectory: string | undefined;
  readonly json: boolean;
}

/**
 * `osad check --restored`: proves that a restored archive is whole.
 *
 * @returns a message to print, and whether all is well
 *
 * @throws OsaError `usage`, `conflict` (not migrated), `unavailable`
 */
export async function checkArchive({
  url,
  dataDirectory,
  json,
}: CheckOptions): Promise<{ readonly text: string; readonly ok: boolean }> {
  if (dataDirectory === undefined) {
    throw new OsaError('usage', 'OSA_DATA_DIR is not set: give the restored data directory, or --data', {
      field: 'OSA_DATA_DIR',
    });
  }
  const database = connect({
    url,
    max: 1,
    applicationName: 'osad check',
    statementTimeoutMs: 0,
    ...unbounded,
  });
  try {
    const report = await checkRestored(database, filesystemBlobs(join(dataDirectory, 'blobs')));
    const ok = report.faults.length === 0;
    return { ok, text: json ? `${JSON.stringify({ ok, ...report }, undefined, 2)}\n` : toText(report) };
  } finally {
    await database.close();
  }
}

/** Between two statements all blobs are read. */
const unbounded = { idleInTransactionTimeoutMs: 0 };

function toText({ counts, faults, isCut }: RestoredReport): string {
  const looked = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  const lines = faults.map(({ of, name, problem }) => visible(`${of} ${name}: ${problem}`));
  const more = isCut ? ['and more of the same kinds; --json lists no more than these'] : [];
  const verdict =
    faults.length === 0
      ? 'every blob has its bytes, and every history is whole'
      : `${faults.length} faults; restore the database and the data directory of the same backup again, see docs/backup.md`;
  return `${[...lines, ...more, `osad: read ${looked.join(', ')}: ${verdict}`].join('\n')}\n`;
}
