import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { asOsaError, type ErrorCode, OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import type { Context } from '../../command.ts';
import type { RequestBody } from '../../http/request.ts';

/** A file of records (NDJSON), and what is said of one that cannot be used. */

export interface RecordsFile extends RequestBody {
  /** The bytes; reading ends with an error once `stop` is aborted. */
  open(stop?: AbortSignal): Readable;
  /** The file as it was given, and the argument or option that gave it; errors say both. */
  readonly name: string;
  readonly field: string;
  /** Bytes, if they are known. */
  readonly size: number | undefined;
  /** The path of a file, which can be read from any place in it. */
  readonly path?: string;
  /** Whether somebody types the records on a terminal. */
  readonly isTyped: boolean;
}

/** @throws OsaError `usage` for a file that is not there or cannot be read. */
export async function openRecords(
  { stdin, sources, output }: Context,
  { file, field }: { /** A path, or `-`. */ readonly file: string; readonly field: string },
): Promise<RecordsFile> {
  if (file === '-') {
    const isTyped = 'isTTY' in stdin && stdin.isTTY === true;
    if (isTyped) output.note('reading records from the terminal, one on each line; end with Ctrl-D');
    const open = (stop?: AbortSignal) => (stop ? addAbortSignal(stop, stdin) : stdin);
    return { name: 'standard input', field, open, replayable: false, size: undefined, isTyped };
  }
  const path = resolve(sources.cwd, file);
  const named = { name: file, field };
  try {
    const stats = await stat(path);
    if (stats.isDirectory())
      throw new OsaError('usage', `${file} is a directory; name a file of records`, { field });
    const replayable = stats.isFile();
    const size = replayable ? stats.size : undefined;
    return {
      ...named,
      open: (signal) => createReadStream(path, { signal }),
      replayable,
      size,
      isTyped: false,
      ...(replayable && { path }),
    };
  } catch (cause) {
    throw unreadable(named, cause);
  }
}

/** The same bytes, and `read` hears of each piece how many. */
export async function* metered<Bytes extends Uint8Array>(
  source: AsyncIterable<Bytes>,
  read: (bytes: number) => void,
): AsyncGenerator<Bytes> {
  for await (const piece of source) {
    read(piece.length);
    yield piece;
  }
}

/** The state of the source's file; undefined for a pipe and the like. */
export async function stateOf({ path }: Pick<RecordsFile, 'path'>): Promise<FileState | undefined> {
  if (path === undefined) return undefined;
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return { ino, size, mtimeNs };
}

interface FileState {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/**
 * A file that was written to holds parts of two states. One that was replaced by another is read as it was.
 *
 * @param before its state before it was read
 * @throws OsaError `usage`
 */
export async function refuseChanged(source: RecordsFile, before: FileState | undefined): Promise<void> {
  const after = await stateOf(source).catch(() => undefined);
  if (!before || !after || after.ino !== before.ino) return;
  if (after.size === before.size && after.mtimeNs === before.mtimeNs) return;
  const advice = 'nothing is stored; repeat the command once nothing writes to the file';
  throw new OsaError('usage', `${source.name} has changed while it was read; ${advice}`, {
    field: source.field,
  });
}

type Named = Pick<RecordsFile, 'name' | 'field'>;

/** `error` itself, or `usage` when the operating system has refused to read the file. */
export function unreadable({ name, field }: Named, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const order = field === 'file' ? '; the convention comes first, then the file' : '';
  const problem = code === 'ENOENT' ? `is not there${order}` : `cannot be read (${code})`;
  return new OsaError('usage', `${name} ${problem}`, { field, cause: error });
}

/** Codes for what is wrong with the content of a file. */
const contentCodes: readonly ErrorCode[] = ['malformed', 'invalid', 'too_large'];

/**
 * Turns `error` about the content of the file into `usage`, wherever it was found: the file has to be mended, and
 * sending it again does not help. `details.code` is what it was found as. Other errors are what they were.
 */
export function unusableRecords({ name, field }: Named, error: unknown): unknown {
  const known = asOsaError(error);
  if (!known || !contentCodes.includes(known.code)) return error;
  const { code, message, details } = known;
  return new OsaError('usage', `${name}: ${message}`, {
    field: known.field ?? field,
    details: { ...details, code },
    cause: known,
  });
}

/** Adds to an error about lines of the upload their places in several files. */
export function placed({ placeOf }: { placeOf(line: number): string | undefined }, error: unknown): unknown {
  const known = asOsaError(error);
  if (!known || known.code === 'usage') return error;
  const { code, message, field, details } = known;
  const places = [details.first_line, details.line].flatMap((at) =>
    typeof at === 'number' ? (placeOf(at) ?? []) : [],
  );
  if (places.length === 0) return error;
  return new OsaError(code, `${message} (${places.join(' and ')})`, { field, details, cause: known });
}
