import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { OsaError } from '../error.ts';
import { digestOfFile } from '../file/digest.ts';
import { wantedSignal } from '../postgres/connection/wanted.ts';
import { asUnavailable, systemCode } from '../system/error.ts';
import { sharedWork } from './shared-work.ts';

/** A file whose bytes were compared with its digest is not read again for this long, unless it was touched. */
const trustedMs = 600_000;
const mostTrusted = 10_000;
/** Files that are read at a time for readers who may go. */
const mostVerifications = 2;
/** A file that is replaced each time it was compared is not read for ever. */
const mostTries = 3;

/** A file as it was when its bytes were compared: a write changes the time. */
interface Trusted {
  readonly inode: bigint;
  readonly size: bigint;
  readonly changedNs: bigint;
  readonly until: number;
}

/**
 * Opens a file whose bytes were compared with its digest. One comparison is under way for each digest; readers share
 * it, and it stops when all of them have gone.
 *
 * @throws OsaError `unavailable` when the bytes are gone, or no longer those of the digest
 */
export type OpenVerified = (path: string, sha256: string) => Promise<FileHandle>;

export function verifiedFiles(): OpenVerified {
  const trusted = new Map<string, Trusted>();
  const verifyOnce = sharedWork<void>(mostVerifications);
  return async (path, sha256) => {
    for (let tried = 0; tried < mostTries; tried += 1) {
      const file = await openTrusted(path, sha256, trusted.get(sha256));
      if (file) return file;
      await verifyOnce(sha256, wantedSignal(), async (stop) => {
        trust(trusted, sha256, await verify(path, sha256, stop));
      });
    }
    throw new OsaError('unavailable', `${path} changes while it is read; end what writes to it`, {
      details: { path },
    });
  };
}

/** Undefined for a file that is to be compared first. */
async function openTrusted(
  path: string,
  sha256: string,
  known: Trusted | undefined,
): Promise<FileHandle | undefined> {
  const file = await openStored(path, sha256);
  try {
    const { inode, size, changedNs } = await stateOf(file);
    const isKnown = known?.inode === inode && known.size === size && known.changedNs === changedNs;
    if (isKnown && performance.now() < known.until) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

async function verify(path: string, sha256: string, stop: AbortSignal): Promise<Trusted> {
  await using file = await openStored(path, sha256);
  const before = await stateOf(file);
  const found = await digestOfFile(file, stop);
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

async function stateOf(file: FileHandle): Promise<Omit<Trusted, 'until'>> {
  const { ino, size, mtimeNs } = await file.stat({ bigint: true });
  return { inode: ino, size, changedNs: mtimeNs };
}

async function openStored(path: string, sha256: string): Promise<FileHandle> {
  try {
    // Opening a pipe would wait for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (cause) {
    if (!['ENOENT', 'ELOOP'].includes(systemCode(cause) ?? '')) throw asUnavailable(cause, 'Opening a file');
  }
  const message = `the bytes of sha256:${sha256} are not stored; restore them, or upload them again`;
  throw new OsaError('unavailable', message, { details: { sha256 } });
}
