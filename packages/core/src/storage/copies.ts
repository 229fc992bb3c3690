import { stat } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { asOsaError } from '../error.ts';
import { wantedSignal } from '../postgres/connection/cancel-unwanted.ts';
import { systemCode } from '../system/error.ts';
import { asStorageFault } from './fault.ts';
import { filesystemBlobs, pathOf } from './filesystem.ts';
import type { BlobStore } from './index.ts';
import { sharedWork } from './shared-work.ts';

export interface CacheOptions {
  readonly directory: string;
  /** The most bytes of all copies; one that is larger alone is kept until the next one comes. */
  readonly maxBytes: number;
}

/** Copies on this machine of what a store that is elsewhere has. Those that nobody has used for longest go first. */
export interface Copies {
  /**
   * Calls `read` once a copy is here; again with a fresh copy when it finds the copy missing or damaged. However many ask,
   * the bytes are fetched once.
   *
   * @throws OsaError `not_found`, `unavailable`
   */
  use<T>(sha256: string, read: () => Promise<T>): Promise<T>;
  /** Whether a copy of this size is here. */
  has(sha256: string, size: number): Promise<boolean>;
  /** Counts a copy that was made here, and makes room. */
  made(sha256: string): Promise<void>;
  remove(sha256: string): Promise<void>;
}

const mostTries = 5;
/** Files that are fetched at a time for readers who may go. */
const mostFetches = 4;

export function copiesOf(remote: BlobStore, { directory, maxBytes }: CacheOptions): Copies {
  const local = filesystemBlobs(directory);
  const fetchOnce = sharedWork<void>(mostFetches);
  const fetching = new Set<string>();
  const usedAt = new Map<string, number>();
  let newestUse = 0;
  /** Milliseconds since 1970, later than each use before: several uses may fall into one millisecond. */
  const moment = () => {
    newestUse = Math.max(Date.now(), newestUse + 0.001);
    return newestUse;
  };
  const copies: Copies = {
    async use(sha256, read) {
      for (let tried = 1; ; tried += 1) {
        usedAt.set(sha256, moment());
        if ((await sizeOf(sha256)) === undefined) await fetched(sha256);
        try {
          return await read();
        } catch (error) {
          // It is damaged, or made room for others before it was opened.
          const known = asOsaError(error);
          if (known?.details.sha256 !== sha256 || tried >= mostTries) throw error;
          await copies.remove(sha256);
        }
      }
    },
    has: async (sha256, size) => (await sizeOf(sha256)) === size,
    async made(sha256) {
      usedAt.set(sha256, moment());
      await makeRoom(sha256);
    },
    async remove(sha256) {
      await local.remove(sha256);
      usedAt.delete(sha256);
    },
  };
  return copies;

  async function sizeOf(sha256: string): Promise<number | undefined> {
    try {
      return (await stat(pathOf(directory, sha256))).size;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw asStorageFault(error, 'Looking for a copy');
    }
  }

  async function fetched(sha256: string): Promise<void> {
    await fetchOnce(sha256, wantedSignal(), async (stop) => {
      fetching.add(sha256);
      try {
        await fetchCopy(sha256, stop);
      } finally {
        fetching.delete(sha256);
      }
    });
  }

  async function fetchCopy(sha256: string, stop: AbortSignal): Promise<void> {
    const source = await remote.open(sha256);
    try {
      await local.put(sha256, addAbortSignal(stop, source), { maxBytes: Number.MAX_SAFE_INTEGER });
    } finally {
      source.destroy();
    }
    await copies.made(sha256);
  }

  async function makeRoom(newest: string): Promise<void> {
    const all = await Array.fromAsync(local.list());
    let bytes = all.reduce((sum, { size }) => sum + size, 0);
    const lastUse = ({ sha256 = '', storedAt }: (typeof all)[number]) =>
      usedAt.get(sha256) ?? Number(storedAt);
    for (const { sha256, size } of all.sort((a, b) => lastUse(a) - lastUse(b))) {
      if (bytes <= maxBytes) return;
      if (sha256 === undefined || sha256 === newest || fetching.has(sha256)) continue;
      await copies.remove(sha256);
      bytes -= size;
    }
  }
}
