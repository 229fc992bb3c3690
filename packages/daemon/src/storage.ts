import { join } from 'node:path';
import { cachedBlobs } from '@osa/core/storage/cache';
import { filesystemBlobs, prepareBlobs } from '@osa/core/storage/filesystem';
import type { BlobStore } from '@osa/core/storage/index';
import { requireStore, s3Blobs } from '@osa/core/storage/s3/s3';
import type { DaemonConfig } from './config/config.ts';

/** The store itself, without copies. */
export function wholeStore({
  dataDirectory,
  storage,
}: Pick<DaemonConfig, 'dataDirectory' | 'storage'>): BlobStore {
  return storage === undefined ? filesystemBlobs(join(dataDirectory, 'blobs')) : s3Blobs(storage);
}

/**
 * Opens the store of blobs, as the settings say.
 *
 * @throws OsaError `unavailable` that says what is wrong with it
 */
export async function openBlobs(config: Pick<DaemonConfig, 'dataDirectory' | 'storage'>): Promise<BlobStore> {
  const { dataDirectory, storage } = config;
  if (storage === undefined) {
    await prepareBlobs(join(dataDirectory, 'blobs'));
    return wholeStore(config);
  }
  await requireStore(storage);
  const directory = join(dataDirectory, 'cache');
  await prepareBlobs(directory);
  return cachedBlobs(wholeStore(config), { directory, maxBytes: storage.cacheBytes });
}
