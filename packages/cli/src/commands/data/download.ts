import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { csvLine, csvRows } from '@osa/core/data/format/csv';
import { formats } from '@osa/core/data/format/index';
import { ndjsonRows } from '@osa/core/data/format/ndjson';
import type { TableColumn, TableRow } from '@osa/core/data/table';
import { asOsaError, OsaError } from '@osa/core/error';
import { digestOfFile } from '@osa/core/file/digest';
import { bounds } from '@osa/core/limits';
import { unwritable } from '../out-place.ts';
import { readNotes, removeNotes, writeNotes } from './notes.ts';
import type { FileFormat, ReadPage } from './query.ts';
import { noticesOf } from './recalled.ts';

/** Tables as files on this machine. A file gets its name when it is complete; until then it is `NAME.part`. */

export interface Download {
  /** A file that is there is replaced; see `outPlace` for a name that the user gives. */
  readonly path: string;
  readonly format: FileFormat;
  readonly columns: readonly TableColumn[];
  readonly read: ReadPage;
  /** All that decides the content, to tell whether a part is of the same file. */
  readonly identity: unknown;
  /** The page to begin behind. */
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly signal: AbortSignal;
  onProgress(progress: { readonly rows: number; readonly isWaiting: boolean }): void;
}

export interface Downloaded {
  readonly rows: number;
  readonly bytes: number;
  readonly as_of: string | null;
  readonly sha256: string;
  /** The reasons of the recalls that the rows name, by their ids. */
  readonly recalled: ReadonlyMap<string, string>;
}

/** How far a part is; kept beside it. */
interface State {
  readonly identity: string;
  readonly cursor: string;
  readonly rows: number;
  readonly bytes: number;
  /** The digest of these bytes. */
  readonly sha256: string;
  readonly as_of: string;
  readonly recalled: readonly (readonly [string, string])[];
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
    // Two commands that write one file at a time would give it their rows in turns.
    if ((await digestOf(part, options.signal)) !== made.sha256) throw meddledWith(part);
    await rename(part, options.path);
    await removeNotes(notes);
    return made;
  } catch (error) {
    throw unwritable(options.path, error);
  }
}

function meddledWith(part: string): OsaError {
  const message = `${part}: something else has written to it, such as the same command at the same time; repeat the command`;
  return new OsaError('usage', message, { field: '--out' });
}

async function lines(options: Download, part: string, notes: string): Promise<Downloaded> {
  const { columns, format, limit } = options;
  const identity = createHash('sha256')
    .update(JSON.stringify([options.identity, format, columns, options.cursor, limit]))
    .digest('hex');
  const { file, hash, state } = await opened(part, await readNotes<State>(notes, identity), options.signal);
  const encode = format === 'csv' ? csvRows : ndjsonRows;
  const recalled = new Map(state?.recalled);
  try {
    let { bytes, rows, as_of } = state ?? { bytes: 0, rows: 0, as_of: null };
    if (!state && format === 'csv')
      bytes += await written(file, hash, Buffer.from(csvLine(columns.map(({ name }) => name))));
    for await (const page of pagesOf(options, { cursor: state?.cursor ?? options.cursor, rows })) {
      bytes += await written(file, hash, encode(columns, page.rows as TableRow[]));
      rows += page.rows.length;
      as_of = page.as_of;
      for (const [id, reason] of noticesOf(page.rows)) recalled.set(id, reason);
      if (page.next_cursor === null) continue;
      await file.datasync();
      const sha256 = hash.copy().digest('hex');
      const next = {
        identity,
        cursor: page.next_cursor,
        rows,
        bytes,
        sha256,
        as_of,
        recalled: [...recalled],
      };
      await writeNotes<State>(notes, next);
    }
    await file.sync();
    return { rows, bytes, as_of, sha256: hash.digest('hex'), recalled };
  } finally {
    await file.close();
  }
}

/** A file that cannot be continued: Parquet says at its end what is in it, and Arrow has batches of its own. */
async function whole(options: Download, part: string): Promise<Downloaded> {
  const { encode } = formats[options.format];
  const file = await open(part, 'w');
  const hash = createHash('sha256');
  const recalled = new Map<string, string>();
  let rows = 0;
  let as_of: string | null = null;
  async function* parts(): AsyncGenerator<TableRow[]> {
    for await (const page of pagesOf(options, { cursor: options.cursor, rows: 0 })) {
      rows += page.rows.length;
      as_of = page.as_of;
      for (const [id, reason] of noticesOf(page.rows)) recalled.set(id, reason);
      yield page.rows as TableRow[];
    }
  }
  try {
    let bytes = 0;
    for await (const piece of encode(options.columns, parts())) bytes += await written(file, hash, piece);
    await file.sync();
    return { rows, bytes, as_of, sha256: hash.digest('hex'), recalled };
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

interface Opened {
  readonly file: FileHandle;
  /** Has taken in the bytes of the file. */
  readonly hash: Hash;
  readonly state: State | undefined;
}

/** The part behind its last page; an empty one if it has not the bytes that the notes are of. */
async function opened(path: string, state: State | undefined, signal: AbortSignal): Promise<Opened> {
  if (state) {
    const file = await open(path, 'r+').catch(() => undefined);
    const hash = file && (await hashOf(file, state.bytes, signal));
    if (file && hash?.copy().digest('hex') === state.sha256) {
      await file.truncate(state.bytes);
      await file.close();
      return { file: await open(path, 'a'), hash, state };
    }
    await file?.close();
  }
  return { file: await open(path, 'w'), hash: createHash('sha256'), state: undefined };
}

/** Takes in the first bytes of a file. */
async function hashOf(file: FileHandle, bytes: number, signal: AbortSignal): Promise<Hash> {
  const hash = createHash('sha256');
  if (bytes === 0) return hash;
  const stream = file.createReadStream({ start: 0, end: bytes - 1, autoClose: false, signal });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash;
}

async function written(file: FileHandle, hash: Hash, bytes: Uint8Array): Promise<number> {
  await file.appendFile(bytes);
  hash.update(bytes);
  return bytes.length;
}

export async function digestOf(path: string, stop: AbortSignal): Promise<string> {
  await using file = await open(path);
  return (await digestOfFile(file, stop)).sha256;
}
