import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Database } from '@osa/core/postgres/connection/connect';
import { inventory } from '@osa/core/postgres/upkeep/inventory';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { cleanStore } from '@osa/core/storage/gc';
import type { State } from './invariants/state.ts';
import type { Report } from './invariants/violations.ts';
import { fileOf, namedFile } from './workload/files.ts';

interface Linked {
  readonly batch_record: string;
  readonly name: string;
  readonly sha256: string;
}

/**
 * I17: each record has the files that it came with, whole; and after the store is cleaned nothing is in it, or named by the
 * database, that no record, no deposition and no release needs.
 */
export async function checkFiles(
  { batchRecords }: State,
  { database, directory }: { readonly database: Database; readonly directory: string },
  report: Report,
): Promise<void> {
  const store = filesystemBlobs(join(directory, 'data/blobs'));
  await cleanStore(store, inventory(database), { graceSeconds: 0, isPlan: false });
  const linked = await database.sql<Linked[]>`select batch_record, name, sha256 from record_files`;
  const of = Map.groupBy(linked, ({ batch_record }) => batch_record);
  for (const { id, source_id: source, value, status } of batchRecords) {
    const bytes = status === 'invalid' ? undefined : fileOf({ source, value: Number(value) });
    const expected = bytes === undefined ? '' : `data.txt ${namedFile(bytes).sha256}`;
    const found = (of.get(id) ?? []).map(({ name, sha256 }) => `${name} ${sha256}`).join();
    if (found !== expected)
      report('I17', `record ${id} (${source}: ${value}) has the files [${found}]`, 'lost');
  }
  for (const sha256 of new Set(linked.map((one) => one.sha256))) {
    await store
      .open(sha256)
      .then(buffer)
      .catch((error: unknown) => report('I17', `a record's file cannot be read: ${error}`, 'lost'));
  }
  const needed = new Set(linked.map(({ sha256 }) => sha256));
  const codes = await database.sql<{ blob: string }[]>`select blob from releases where blob is not null`;
  for (const { blob } of codes) needed.add(blob);
  const drafts = await database.sql<{ sha256: string }[]>`select sha256 from deposition_files`;
  for (const { sha256 } of drafts) needed.add(sha256);
  for await (const { name, sha256 } of store.list()) {
    if (sha256 === undefined || !needed.has(sha256))
      report('I17', `the store keeps ${name}, which nothing needs`, 'left over');
  }
  for (const { sha256 } of await database.sql<{ sha256: string }[]>`select sha256 from files`) {
    if (!needed.has(sha256))
      report('I17', `the database names the file ${sha256}, which nothing needs`, 'left over');
  }
}
