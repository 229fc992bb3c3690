import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, utimes } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { asOsaError } from '../error.ts';
import { systemCode } from '../system-error.ts';
import { filesystemBlobs, pathOf } from './filesystem.ts';
import type { BlobStore } from './index.ts';

export interface CacheOptions {
  readonly directory: string;
  /** What the copies may take together; one that is larger alone is kept until the next one comes. */
  readonly maxBytes: number;
}

const mostFetches = 5;

/**
 * A store that is elsewhere, with copies on this machine of what has been read. A copy is made once however many read,
 * and is compared with its digest each time before it is read; a damaged one is fetched again. The copies that nobody
 * has read for longest go first.
 */
export function cachedBlobs(remote: BlobStore, { directory, maxBytes }: CacheOptions): BlobStore {
  const local = filesystemBlobs(directory);
  const fetching = new Map<string, Promise<void>>();
  return {
    ...remote,
    async open(sha256) {
      for (let tried = 1; ; tried += 1) {
        if (!(await isSound(pathOf(directory, sha256), sha256))) await fetchOnce(sha256);
        try {
          return await local.open(sha256);
        } catch (error) {
          // A copy may make room for others before it is opened.
          if (asOsaError(error)?.code !== 'not_found' || tried >= mostFetches) throw error;
        }
      }
    },
    async remove(sha256) {
      await remote.remove(sha256);
      await local.remove(sha256);
    },
  };

  function fetchOnce(sha256: string): Promise<void> {
    const known = fetching.get(sha256);
    if (known !== undefined) return known;
    const work = copy(sha256).finally(() => fetching.delete(sha256));
    fetching.set(sha256, work);
    return work;
  }

  async function copy(sha256: string): Promise<void> {
    const source = await remote.open(sha256);
    try {
      await local.put(sha256, source, { maxBytes: Number.MAX_SAFE_INTEGER });
    } finally {
      source.destroy();
    }
    await evict(sha256);
  }

  async function evict(newest: string): Promise<void> {
    const all = await Array.fromAsync(local.list());
    let bytes = all.reduce((sum, { size }) => sum + size, 0);
    for (const { sha256, size } of all.sort((a, b) => Number(a.storedAt) - Number(b.storedAt))) {
      if (bytes <= maxBytes) return;
      if (sha256 === undefined || sha256 === newest || fetching.has(sha256)) continue;
      await local.remove(sha256);
      bytes -= size;
    }
  }
}

/** Whether the copy is there and has the digest. One that has not is removed. A sound one counts as read now. */
async function isSound(path: string, sha256: string): Promise<boolean> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  if (hash.digest('hex') !== sha256) {
    await rm(path, { force: true });
    return false;
  }
  const now = new Date();
  await utimes(path, now, now).catch((error: unknown) => {
    // It was the oldest, and made room a moment ago.
    if (systemCode(error) !== 'ENOENT') throw error;
  });
  return true;
}
