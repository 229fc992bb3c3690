import { join } from 'node:path';
import { cachedStores } from '@osa/core/storage/cache';
import { filesystemBlobs, prepareBlobs } from '@osa/core/storage/filesystem';
import type { BlobStore, Stores } from '@osa/core/storage/index';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { requireStore, s3Blobs } from '@osa/core/storage/s3/s3';
import type { DaemonConfig } from './config/config.ts';

type Place = Pick<DaemonConfig, 'dataDirectory' | 'storage'>;

/**
 * Opens the stores of packed hooks and of records' files, which are one place: bytes are stored once.
 *
 * @throws OsaError `unavailable` that says what is wrong with it
 */
export async function openStores(place: Place): Promise<Stores> {
  const { storage } = place;
  if (storage) await requireStore(storage);
  await removeOldParts(place);
  const directory = arrivalOf(place);
  if (storage) return cachedStores(wholeStore(place), { directory, maxBytes: storage.cacheBytes });
  return { blobs: wholeStore(place), files: filesystemFiles(directory) };
}

/** Removes the parts of uploads that nobody has gone on with for a day. */
export async function removeOldParts(place: Place): Promise<void> {
  await prepareBlobs(arrivalOf(place));
}

/** Where bytes arrive on this machine. */
function arrivalOf({ dataDirectory, storage }: Place): string {
  return storage === undefined ? blobsOf(dataDirectory) : join(dataDirectory, 'cache');
}

/** All bytes where they are kept, without copies. */
export function wholeStore({ dataDirectory, storage }: Place): BlobStore {
  return storage === undefined ? filesystemBlobs(blobsOf(dataDirectory)) : s3Blobs(storage);
}

function blobsOf(dataDirectory: string): string {
  return join(dataDirectory, 'blobs');
}
