import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { connect } from '@osa/core/postgres/connection/connect';
import { checkRestored, type RestoredReport } from '@osa/core/postgres/upkeep/restored';
import type { BlobStore } from '@osa/core/storage/index';
import { requireStore } from '@osa/core/storage/s3/s3';
import { excerpt, visible } from '@osa/core/text';
import { readSettings } from '../config/read-settings.ts';
import { storageOf } from '../config/storage.ts';
import { wholeStore } from '../storage.ts';

export interface CheckOptions {
  readonly url: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly config: string | undefined;
  /** Instead of that of the settings. */
  readonly data: string | undefined;
  readonly json: boolean;
}

/**
 * `osad check --restored`: proves that a restored archive is whole.
 *
 * @returns a message to print, and whether all is well
 *
 * @throws OsaError `usage`, `conflict` (not migrated), `unavailable`
 */
export async function checkArchive(
  options: CheckOptions,
): Promise<{ readonly text: string; readonly ok: boolean }> {
  const store = await storeOf(options);
  const limits = { statementTimeoutMs: 0, ...unbounded };
  const database = connect({ url: options.url, max: 1, applicationName: 'osad check', ...limits });
  try {
    const report = await checkRestored(database, store);
    const ok = report.faults.length === 0;
    return {
      ok,
      text: options.json ? `${JSON.stringify({ ok, ...report }, undefined, 2)}\n` : toText(report),
    };
  } finally {
    await database.close();
  }
}

/** The store itself: a copy on this machine proves nothing of it. */
async function storeOf({ environment, config, data }: CheckOptions): Promise<BlobStore> {
  const settings = readSettings(environment, config);
  const dataDirectory = data ?? settings.data_dir;
  const refused = (why: string) => new OsaError('usage', `OSA_DATA_DIR: ${why}`, { field: 'OSA_DATA_DIR' });
  if (dataDirectory === undefined) throw refused('is not set; give the restored data directory, or --data');
  const found = await stat(dataDirectory).catch(() => undefined);
  if (!found?.isDirectory()) throw refused(`${excerpt(dataDirectory)} is not a directory; restore it first`);
  const storage = storageOf(settings);
  if (storage) await requireStore(storage);
  return wholeStore({ dataDirectory: resolve(dataDirectory), storage });
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
      : `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}; restore the database and the data directory of the same backup again, see docs/backup.md`;
  return `${[...lines, ...more, `osad: read ${looked.join(', ')}: ${verdict}`].join('\n')}\n`;
}
