import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { OsaError } from '../error.ts';
import { digestOfFile } from '../file/digest.ts';
import { streamOf } from '../file/stream.ts';
import { wantedSignal } from '../postgres/connection/cancel-unwanted.ts';
import { systemCode } from '../system/error.ts';
import { endingWell, verified } from './blob.ts';
import { asStorageFault } from './fault.ts';
import { sharedWork } from './shared-work.ts';

/** Before a part is read or a link is made, bytes are not compared again for this long, unless the file was touched. */
const trustedMs = 600_000;
const mostTrusted = 10_000;
/** Files that are read at a time for readers who may go. */
const mostVerifications = 2;
/** A file that is replaced each time it was compared is not read for ever. */
const mostTries = 3;

/** A file as it was when its bytes were compared: a write changes a time, and nobody can set `ctimeNs`. */
interface State {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

interface Trusted extends State {
  readonly until: number;
}

/**
 * Files whose bytes are compared with their digest before they are used. One comparison is under way for each digest;
 * readers share it, and it stops when all of them have gone.
 */
export interface VerifiedFiles {
  /**
   * Reads the bytes, or those from `start` to `end`, both included. All of them are compared once more while they are read:
   * the stream of damaged ones fails before its last byte. A part fails if the file is written meanwhile.
   *
   * @throws OsaError `unavailable` when the bytes are gone, or no longer those of the digest
   */
  read(
    path: string,
    sha256: string,
    range?: { readonly start: number; readonly end: number },
  ): Promise<Readable>;
  /**
   * Calls `link`, which gives the file a further name and does not write it.
   *
   * @throws OsaError `unavailable` like `read`
   */
  link(path: string, sha256: string, link: () => Promise<void>): Promise<void>;
}

interface Opened {
  readonly file: FileHandle;
  readonly known: Trusted;
}

export function verifiedFiles(): VerifiedFiles {
  const trusted = new Map<string, Trusted>();
  const verifyOnce = sharedWork<void>(mostVerifications);
  const open = async (path: string, sha256: string): Promise<Opened> => {
    for (let tried = 0; tried < mostTries; tried += 1) {
      const opened = await openTrusted(path, sha256, trusted.get(sha256));
      if (opened) return opened;
      await verifyOnce(sha256, wantedSignal(), async (stop) => {
        trust(trusted, sha256, await verify(path, sha256, stop));
      });
    }
    throw changing(path);
  };
  async function* reading(pieces: AsyncIterable<Uint8Array>, sha256: string): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces;
    } catch (error) {
      trusted.delete(sha256);
      throw asStorageFault(error, 'Reading a file');
    }
  }
  return {
    async read(path, sha256, range) {
      const { file, known } = await open(path, sha256);
      const end = Number(known.size) - 1;
      const isWhole = range === undefined || (range.start === 0 && range.end >= end);
      const atEnd = async () => {
        const now = await stateOf(file);
        if (!isUnwritten(now, known)) throw changing(path);
        if (now.ctimeNs === known.ctimeNs) return;
        // A link was made or removed, or a write has set its time back: the bytes decide.
        const again = await open(path, sha256);
        await again.file.close();
        if (!isUnwritten(again.known, known)) throw changing(path);
      };
      const source = streamOf(file, isWhole ? { end } : { ...range, atEnd });
      const pieces = reading(isWhole ? verified(source, sha256) : endingWell(source), sha256);
      // Damage in a file of one piece is found here, and said before an answer begins.
      const first = await pieces.next();
      return Readable.from(begun(first, pieces), { objectMode: false }).once('close', () => source.destroy());
    },
    async link(path, sha256, link) {
      const { file, known } = await open(path, sha256);
      await using _ = file;
      await link();
      // A further name changes `ctimeNs`, and nothing else.
      const now = await stateOf(file);
      if (isUnwritten(now, known)) trust(trusted, sha256, { ...now, until: known.until });
    },
  };
}

async function* begun<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (!first.done) yield first.value;
  yield* rest;
}

function changing(path: string): OsaError {
  return new OsaError('unavailable', `${path} changes while it is read; end what writes to it`, {
    details: { path },
  });
}

/** Undefined for a file that is to be compared first. */
async function openTrusted(
  path: string,
  sha256: string,
  known: Trusted | undefined,
): Promise<Opened | undefined> {
  const file = await openStored(path, sha256);
  try {
    const state = await stateOf(file);
    const isKnown = known && isUnwritten(state, known) && state.ctimeNs === known.ctimeNs;
    if (isKnown && performance.now() < known.until) return { file, known };
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

function isUnwritten(now: State, known: State): boolean {
  return now.ino === known.ino && now.size === known.size && now.mtimeNs === known.mtimeNs;
}

async function verify(path: string, sha256: string, stop: AbortSignal): Promise<Trusted> {
  await using file = await openStored(path, sha256);
  const before = await stateOf(file);
  const found = await digestOfFile(file, stop).catch((cause: unknown) => {
    throw asStorageFault(cause, 'Reading a file');
  });
  if (found.sha256 !== sha256) {
    throw new OsaError(
      'unavailable',
      `the stored bytes of sha256:${sha256} are damaged: they hash to ${found.sha256}; restore ${path} from a copy`,
      { details: { sha256, found: found.sha256 } },
    );
  }
  return { ...before, until: performance.now() + trustedMs };
}

function trust(trusted: Map<string, Trusted>, sha256: string, state: Trusted): void {
  trusted.delete(sha256);
  const [oldest] = trusted.keys();
  if (trusted.size >= mostTrusted && oldest !== undefined) trusted.delete(oldest);
  trusted.set(sha256, state);
}

async function stateOf(file: FileHandle): Promise<State> {
  const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
  return { ino, size, mtimeNs, ctimeNs };
}

async function openStored(path: string, sha256: string): Promise<FileHandle> {
  try {
    // Opening a pipe would wait for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (cause) {
    if (!['ENOENT', 'ELOOP'].includes(systemCode(cause) ?? '')) throw asStorageFault(cause, 'Opening a file');
  }
  const message = `the bytes of sha256:${sha256} are not stored; restore them, or upload them again`;
  throw new OsaError('unavailable', message, { details: { sha256 } });
}
