import { join } from 'node:path';
import { filesystemFiles } from './files.ts';
import { filesystemBlobs, prepareBlobs } from './filesystem.ts';
import type { BlobStore, FileStore } from './index.ts';

/** What an archive keeps beside its database: the code of hooks, and the files of records. */
export interface Stores {
  readonly blobs: BlobStore;
  readonly files: FileStore;
}

export function filesystemStores(dataDirectory: string): Stores {
  return {
    blobs: filesystemBlobs(join(dataDirectory, 'blobs')),
    files: filesystemFiles(join(dataDirectory, 'files')),
  };
}

/** Makes their directories, and removes what nobody goes on to send. */
export async function prepareStores(dataDirectory: string): Promise<void> {
  for (const name of ['blobs', 'files']) await prepareBlobs(join(dataDirectory, name));
}
