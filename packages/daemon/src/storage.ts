import { join } from 'node:path';
import { cachedBlobs } from '@osa/core/storage/cache';
import { filesystemFiles } from '@osa/core/storage/files';
import { filesystemBlobs, prepareBlobs } from '@osa/core/storage/filesystem';
import type { BlobStore, Stores } from '@osa/core/storage/index';
import { requireStore, s3Blobs } from '@osa/core/storage/s3/s3';
import type { DaemonConfig } from './config/config.ts';

/** Opens the stores of blobs and of records' files. Files are in the data directory, wherever blobs are. */
export async function openStores(config: Pick<DaemonConfig, 'dataDirectory' | 'storage'>): Promise<Stores> {
  const directory = join(config.dataDirectory, 'files');
  await prepareBlobs(directory);
  return { blobs: await openBlobs(config), files: filesystemFiles(directory) };
}

/**
 * Opens the store of blobs, as the settings say.
 *
 * @throws OsaError `unavailable` that says what is wrong with it
 */
async function openBlobs({
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
