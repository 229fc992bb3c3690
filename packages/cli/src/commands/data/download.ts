import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { csvLine, csvRows } from '@osa/core/data/format/csv';
import { formats } from '@osa/core/data/format/index';
import { ndjsonRows } from '@osa/core/data/format/ndjson';
import type { TableColumn, TableRow } from '@osa/core/data/table';
import { asOsaError } from '@osa/core/error';
import { digestOfFile } from '@osa/core/file/digest';
import { bounds } from '@osa/core/limits';
import { unwritable } from '../out-place.ts';
import type { FileFormat, ReadPage } from './query.ts';

/** Tables as files on this machine. A file gets its name when it is complete; until then it is `NAME.part`. */

export interface Download {
  /** A file that is there is replaced; see `outPlace` for a name that the user gives. */
  readonly path: string;
  readonly format: FileFormat;
  readonly columns: readonly TableColumn[];
  readonly read: ReadPage;
  /** All that decides the content, to tell whether a part is of the same file. */
  readonly identity: unknown;
  readonly limit: number;
  readonly signal: AbortSignal;
  onProgress(progress: { readonly rows: number; readonly isWaiting: boolean }): void;
}

export interface Downloaded {
  readonly rows: number;
  readonly bytes: number;
  readonly as_of: string | null;
  readonly sha256: string;
}

/** How far a part is; kept beside it. */
interface State {
  readonly identity: string;
  readonly cursor: string;
  readonly rows: number;
  readonly bytes: number;
  readonly as_of: string;
}

/** @throws OsaError `usage` when the file cannot be written; then the part stays, and the same command goes on with it */
export async function download(options: Download): Promise<Downloaded> {
  const part = `${options.path}.part`;
  const notes = `${part}.json`;
  try {
    const made =
      options.format === 'csv' || options.format === 'ndjson'
        ? await lines(options, part, notes)
        : await whole(options, part);
    const sha256 = await digestOf(part, options.signal);
    await rename(part, options.path);
    await rm(notes, { force: true });
    return { ...made, sha256 };
  } catch (error) {
    throw unwritable(options.path, error);
  }
}

async function lines(options: Download, part: string, notes: string): Promise<Omit<Downloaded, 'sha256'>> {
  const { columns, format } = options;
  const identity = createHash('sha256')
    .update(JSON.stringify([options.identity, format, columns]))
    .digest('hex');
  const begun = await stateOf(notes, identity);
  const file = await continued(part, begun?.bytes ?? 0);
  const encode = format === 'csv' ? csvRows : ndjsonRows;
  try {
    let bytes = begun?.bytes ?? 0;
    let as_of = begun?.as_of ?? null;
    if (!begun && format === 'csv')
      bytes += await written(file, Buffer.from(csvLine(columns.map(({ name }) => name))));
    let rows = begun?.rows ?? 0;
    for await (const page of pagesOf(options, { cursor: begun?.cursor, rows })) {
      bytes += await written(file, encode(columns, page.rows as TableRow[]));
      rows += page.rows.length;
      as_of = page.as_of;
      if (page.next_cursor === null) continue;
      const state: State = { identity, cursor: page.next_cursor, rows, bytes, as_of };
      await file.datasync();
      await writeFile(notes, JSON.stringify(state));
    }
    await file.sync();
    return { rows, bytes, as_of };
  } finally {
    await file.close();
  }
}

/** A file that cannot be continued: Parquet says at its end what is in it, and Arrow has batches of its own. */
async function whole(options: Download, part: string): Promise<Omit<Downloaded, 'sha256'>> {
  const { encode } = formats[options.format];
  const file = await open(part, 'w');
  let rows = 0;
  let as_of: string | null = null;
  async function* parts(): AsyncGenerator<TableRow[]> {
    for await (const page of pagesOf(options, { cursor: undefined, rows: 0 })) {
      rows += page.rows.length;
      as_of = page.as_of;
      yield page.rows as TableRow[];
    }
  }
  try {
    let bytes = 0;
    for await (const piece of encode(options.columns, parts())) bytes += await written(file, piece);
    await file.sync();
    return { rows, bytes, as_of };
  } finally {
    await file.close();
  }
}

/** How long a lost server is waited for. */
const patienceMs = 120_000;

/** All pages; one that cannot be had because the connection is lost is asked for again. */
async function* pagesOf(
  { read, limit, signal, onProgress }: Download,
  begun: { readonly cursor: string | undefined; readonly rows: number },
) {
  let { cursor, rows } = begun;
  for (let lostAt: number | undefined; rows < limit; ) {
    try {
      const page = await read({ cursor, limit: Math.min(bounds.pageRows, limit - rows) });
      lostAt = undefined;
      rows += page.rows.length;
      onProgress({ rows, isWaiting: false });
      yield page;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
    } catch (error) {
      const isPassing = ['unreachable', 'unavailable', 'busy', 'rate_limited'].includes(
        asOsaError(error)?.code ?? '',
      );
      lostAt ??= performance.now();
      if (!isPassing || performance.now() - lostAt > patienceMs) throw error;
      onProgress({ rows, isWaiting: true });
      const seconds = Number(asOsaError(error)?.details.retry_after_seconds ?? 1);
      await wait(Math.min(30, seconds) * 1_000, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

async function stateOf(path: string, identity: string): Promise<State | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const state = JSON.parse(text) as State;
    return state.identity === identity ? state : undefined;
  } catch {
    return undefined;
  }
}

async function continued(path: string, bytes: number): Promise<FileHandle> {
  if (bytes === 0) return open(path, 'w');
  await truncate(path, bytes);
  return open(path, 'a');
}

async function written(file: FileHandle, bytes: Uint8Array): Promise<number> {
  await file.appendFile(bytes);
  return bytes.length;
}

export async function digestOf(path: string, stop: AbortSignal): Promise<string> {
  await using file = await open(path);
  return (await digestOfFile(file, stop)).sha256;
}
