import type { StoredFile } from '../file/file.ts';
import { headBytes } from '../file/file.ts';
import { type CacheOptions, type Copies, copiesOf } from './copies.ts';
import type { BlobStore, FileStore, Stores } from './index.ts';
import { filesystemFiles } from './resumable-files.ts';

/**
 * A store that is elsewhere, with copies on this machine of what is read or comes in. A copy is compared with its digest
 * before it is read, and a damaged one is fetched again.
 */
export function cachedStores(remote: BlobStore, options: CacheOptions): Stores {
  const copies = copiesOf(remote, options);
  const local = filesystemFiles(options.directory);
  return { blobs: cachedBlobs({ remote, local, copies }), files: cachedFiles({ remote, local, copies }) };
}

/** Senders that are remembered while the store is away; others send again. */
const mostWhole = 10_000;

interface Parts {
  readonly remote: BlobStore;
  readonly local: FileStore;
  readonly copies: Copies;
}

function cachedBlobs({ remote, local, copies }: Parts): BlobStore {
  return {
    ...remote,
    open: (sha256) => copies.use(sha256, () => local.open(sha256)),
    async remove(sha256) {
      await remote.remove(sha256);
      await copies.remove(sha256);
    },
  };
}

/**
 * The part of a file that has arrived is on the machine that received it; at another machine the sender begins again.
 */
function cachedFiles({ remote, local, copies }: Parts): FileStore {
  // Those who have sent all of a file that the store has not taken. The bytes alone do not show who sent them.
  const whole = new Set<string>();
  return {
    received: local.received,
    async receive(sha256, chunks, part) {
      const sent = `${sha256}-${part.sender}`;
      // The store may have been away when the last part came.
      const isWhole = whole.has(sent) && (await copies.has(sha256, part.size));
      const { received, stored } = isWhole
        ? { received: part.size, stored: await storedFile(local, sha256, part.size) }
        : await local.receive(sha256, chunks, part);
      if (stored !== undefined) {
        if (whole.size < mostWhole) whole.add(sent);
        await putCopy({ remote, local }, sha256, part.size);
        await copies.made(sha256);
        whole.delete(sent);
      }
      return { received, stored };
    },
    link: (sha256, path) => copies.use(sha256, () => local.link(sha256, path)),
    open: (sha256, range) => copies.use(sha256, () => local.open(sha256, range)),
  };
}

async function putCopy(
  { remote, local }: Pick<Parts, 'remote' | 'local'>,
  sha256: string,
  maxBytes: number,
): Promise<void> {
  const source = await local.open(sha256);
  try {
    await remote.put(sha256, source, { maxBytes });
  } finally {
    // `put` leaves a source open that it has not read to its end, and a file that is forgotten open ends the process.
    source.destroy();
  }
}

async function storedFile(local: FileStore, sha256: string, size: number): Promise<StoredFile> {
  const head: Uint8Array[] = [];
  const range = { start: 0, end: Math.min(size, headBytes) - 1 };
  if (size > 0) for await (const piece of await local.open(sha256, range)) head.push(piece as Uint8Array);
  return { size, head: Buffer.concat(head) };
}
