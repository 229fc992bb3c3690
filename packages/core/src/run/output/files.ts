import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { OsaError } from '../../error.ts';
import { asUnavailable, systemCode } from '../../system/error.ts';

/** The files that a hook answers in, in the order in which they are read. */
export const outputFiles = ['features.jsonl', 'rejections.jsonl', 'errors.jsonl'] as const;
export type OutputFile = (typeof outputFiles)[number];

export interface FileLine {
  /** From 1, blank lines counted. */
  readonly number: number;
  /** Without its line end; valid until the next line is asked for. The start of a line that is too long. */
  readonly bytes: Uint8Array;
  readonly tooLong: boolean;
}

export interface FileReading {
  readonly directory: string;
  readonly name: OutputFile | 'progress.jsonl';
  readonly lineBytes: number;
  /** The bytes of all files together that may still be read; counted down. */
  readonly budget: { bytes: number; readonly of: number };
  /** Called at the end of a file that is there, with the SHA-256 of all of its bytes, hex. */
  readonly onEnd: (sha256: string) => void;
}

/**
 * The lines of one file; none when it does not exist. At most `lineBytes` and a block are in memory, however long
 * a line is. The last line may lack its line end.
 *
 * @throws OsaError `invalid` when it is something else than a regular file of one name, or cannot be opened,
 * `too_large` when the budget is used up; `unavailable` when the machine cannot read at the moment.
 */
export function* readLines(reading: FileReading): Generator<FileLine, void> {
  const file = openOutput(reading.directory, reading.name);
  if (file === undefined) return;
  try {
    const hash = createHash('sha256');
    yield* splitLines(readBlocks(file, reading, hash), reading.lineBytes);
    reading.onEnd(hash.digest('hex'));
  } finally {
    closeSync(file);
  }
}

/** The end of a file, at most `bytes` of it; nothing when it does not exist. @throws OsaError as `readLines` */
export function lastBytes(directory: string, name: FileReading['name'], bytes: number): Buffer {
  const file = openOutput(directory, name);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const block = Buffer.alloc(bytes);
    const start = Math.max(0, fstatSync(file).size - bytes);
    return block.subarray(0, readSync(file, block, 0, bytes, start));
  } catch (error) {
    throw asUnavailable(error, 'reading the output of a hook');
  } finally {
    closeSync(file);
  }
}

const blockBytes = 256 * 1024;

function* readBlocks(
  file: number,
  reading: FileReading,
  hash: ReturnType<typeof createHash>,
): Generator<Buffer, void> {
  const block = Buffer.allocUnsafe(blockBytes);
  for (;;) {
    const bytes = block.subarray(0, readBlock(file, block));
    if (bytes.length === 0) return;
    reading.budget.bytes -= bytes.length;
    if (reading.budget.bytes < 0) throw tooMuch(reading.budget.of);
    hash.update(bytes);
    yield bytes;
  }
}

function tooMuch(most: number): OsaError {
  return new OsaError(
    'too_large',
    `the output files have more than ${most} bytes together, which is the most`,
  );
}

function readBlock(file: number, block: Buffer): number {
  try {
    return readSync(file, block);
  } catch (error) {
    throw asUnavailable(error, 'reading the output of a hook');
  }
}

/** Cuts blocks into lines. The part of a line in earlier blocks is kept in `head`, up to `lineBytes`. */
function* splitLines(blocks: Iterable<Buffer>, lineBytes: number): Generator<FileLine, void> {
  const head = Buffer.allocUnsafe(lineBytes);
  let [number, kept, tooLong] = [1, 0, false];
  for (const block of blocks) {
    for (let start = 0; start < block.length; ) {
      const end = block.indexOf(0x0a, start);
      const piece = block.subarray(start, end < 0 ? block.length : end);
      const whole = end >= 0 && kept === 0 && !tooLong && piece.length <= lineBytes;
      if (!whole) {
        tooLong ||= kept + piece.length > lineBytes;
        kept += piece.copy(head, kept);
      }
      if (end < 0) break;
      yield { number, bytes: whole ? piece : head.subarray(0, kept), tooLong };
      [number, kept, tooLong] = [number + 1, 0, false];
      start = end + 1;
    }
  }
  if (kept > 0) yield { number, bytes: head.subarray(0, kept), tooLong };
}

/** Opens a file of the output: no link is followed, and opening a pipe does not wait for its writer. */
function openOutput(directory: string, name: FileReading['name']): number | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: number;
  try {
    if (!lstatSync(directory).isDirectory()) throw refuse('the output directory', 'is not a directory');
    file = openSync(join(directory, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    return whenNotOpened(error, name);
  }
  const stat = fstatSync(file);
  if (stat.isFile() && stat.nlink === 1) return file;
  closeSync(file);
  throw refuse(name, stat.isFile() ? 'has a second name (a hard link)' : 'is not a regular file');
}

/** Undefined for a file that is not there. */
function whenNotOpened(error: unknown, name: FileReading['name']): undefined {
  const code = systemCode(error);
  if (code === 'ENOENT') return undefined;
  const problem = code === undefined ? undefined : refusals.get(code);
  if (problem !== undefined) throw refuse(name, problem, error);
  throw asUnavailable(error, `opening ${name}`);
}

/** Why a file cannot be opened when that is the hook's doing. */
const refusals = new Map([
  ['ELOOP', 'is a symbolic link'],
  ['EMLINK', 'is a symbolic link'],
  ['ENXIO', 'is not a regular file'],
  ['EOPNOTSUPP', 'is not a regular file'],
  ['ENOTDIR', 'is not in a directory'],
  ['EACCES', 'may not be read'],
]);

function refuse(what: string, problem: string, cause?: unknown): OsaError {
  return new OsaError('invalid', `${what} ${problem}; a hook writes plain files into its output directory`, {
    cause,
  });
}
