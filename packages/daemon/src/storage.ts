import { join } from 'node:path';
import { cachedBlobs } from '@osa/core/storage/cache';
import { filesystemBlobs, prepareBlobs } from '@osa/core/storage/filesystem';
import type { BlobStore } from '@osa/core/storage/index';
import { requireStore, s3Blobs } from '@osa/core/storage/s3/s3';
import type { DaemonConfig } from './config/config.ts';

/**
 * Opens the store of blobs, as the settings say.
 *
 * @throws OsaError `unavailable` that says what is wrong with it
 */
export async function openBlobs({
  dataDirectory,
  storage,
}: Pick<DaemonConfig, 'dataDirectory' | 'storage'>): Promise<BlobStore> {
  if (storage === undefined) {
    const directory = join(dataDirectory, 'blobs');
    await prepareBlobs(directory);
    return filesystemBlobs(directory);
  }
  await requireStore(storage);
  const directory = join(dataDirectory, 'cache');
  await prepareBlobs(directory);
  return cachedBlobs(s3Blobs(storage), { directory, maxBytes: storage.cacheBytes });
}
