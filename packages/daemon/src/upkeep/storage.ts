import { resolve } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { requireMigrated } from '@osa/core/postgres/migrate';
import { inventory } from '@osa/core/postgres/upkeep/inventory';
import { checkStore, type Finding } from '@osa/core/storage/check';
import { cleanStore } from '@osa/core/storage/gc';
import type { BlobStore } from '@osa/core/storage/index';
import type { Inventory } from '@osa/core/storage/inventory';
import { visible } from '@osa/core/text';
import { required } from '../config/named-file.ts';
import { readSettings } from '../config/read-settings.ts';
import { storageOf } from '../config/storage.ts';
import { wholeStore } from '../storage.ts';

export interface StorageWork {
  readonly verb: 'check' | 'gc';
  /** One line of JSON for each finding or removal, and one for the sum. */
  readonly json: boolean;
  /** For `check`: whether bytes are read. */
  readonly reads: boolean;
  /** For `gc`: whether nothing is removed. */
  readonly isPlan: boolean;
  readonly graceSeconds: number;
}

export interface StorageCare {
  readonly url: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly config: string | undefined;
  readonly work: StorageWork;
  readonly write: (text: string) => Promise<void>;
}

/**
 * `osad storage check` and `osad storage gc`.
 *
 * @returns the exit code
 *
 * @throws OsaError `usage`, `conflict` (not migrated), `unavailable`
 */
export async function careForStorage({
  url,
  environment,
  config,
  work,
  write,
}: StorageCare): Promise<number> {
  const settings = readSettings(environment, config);
  const storage = storageOf(settings);
  const directory = settings.data_dir ?? '';
  if (storage === undefined) required(directory, 'OSA_DATA_DIR', 'the directory with the uploaded files');
  const store = wholeStore({ dataDirectory: resolve(directory), storage });
  const database = connect({ url, max: 2, applicationName: 'osad storage' });
  try {
    await requireMigrated(database);
    const doing = { store, known: inventory(database), work, write };
    return await (work.verb === 'check' ? check(doing) : clean(doing));
  } finally {
    await database.close();
  }
}

interface Doing {
  readonly store: BlobStore;
  readonly known: Inventory;
  readonly work: StorageWork;
  readonly write: (text: string) => Promise<void>;
}

async function check({ store, known, work, write }: Doing): Promise<number> {
  const counts: Record<Finding['kind'], number> = {
    missing: 0,
    damaged: 0,
    unread: 0,
    unknown: 0,
    foreign: 0,
  };
  const findings = checkStore(store, known, work);
  for (;;) {
    const { done, value } = await findings.next();
    if (done) {
      const sum = { ...value, ...counts };
      await write(work.json ? line(sum) : `${checkedText(sum, work.reads)}\n`);
      return counts.missing + counts.damaged + counts.unread > 0 ? 1 : 0;
    }
    counts[value.kind] += 1;
    await write(
      work.json ? line(value) : `${value.kind.padEnd(8)} ${visible(value.name)}: ${value.detail}\n`,
    );
  }
}

type Sum = Record<Finding['kind'] | 'blobs' | 'bytes', number>;

function checkedText(
  { blobs, bytes, missing, damaged, unread, unknown, foreign }: Sum,
  reads: boolean,
): string {
  const how = reads ? 'read' : 'compared by size, not read';
  const found = `${missing} missing, ${damaged} damaged, ${unread} unread, ${unknown} unknown, ${foreign} foreign`;
  const next = missing + damaged > 0 ? '; restore what is missing or damaged from a backup' : '';
  return `osad: ${blobs} blobs of ${bytes} bytes ${how}: ${found}${next}`;
}

async function clean({ store, known, work, write }: Doing): Promise<number> {
  const { json, isPlan, graceSeconds } = work;
  const removed: string[] = [];
  const said = isPlan ? 'would remove' : 'removed';
  const onRemoved = (sha256: string, size: number) => {
    removed.push(json ? line({ sha256, size }) : `${said} ${sha256} (${size} bytes)\n`);
  };
  const onPage = () => write(removed.splice(0).join(''));
  const sum = await cleanStore(store, known, { graceSeconds, isPlan, onRemoved, onPage });
  const text = `osad: ${said} ${sum.removed} blobs of ${sum.bytes} bytes, and ${sum.unfinished} unfinished uploads\n`;
  await write(json ? line({ ...sum, plan: isPlan }) : text);
  return 0;
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
