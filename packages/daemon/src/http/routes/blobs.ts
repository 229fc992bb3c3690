import { findBlob, uploadBlob } from '@osa/core/hook/upload';
import { bounds } from '@osa/core/limits';
import type { BlobStore } from '@osa/core/storage/index';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';
import { semaphore } from '../semaphore.ts';
import { spool } from '../spool.ts';

export interface BlobParts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly spoolDirectory: string;
  readonly blobBytes: number;
}

export function blobRoutes({ spoolDirectory, ...parts }: BlobParts): Pick<Handlers, 'putBlob' | 'findBlob'> {
  const { blobBytes } = parts;
  const inTurn = semaphore(bounds.blobChecks);
  return {
    async putBlob(call) {
      const { sha256 } = call.params;
      await using upload = await spool(call.upload(blobBytes), {
        directory: spoolDirectory,
        maxBytes: blobBytes,
      });
      // Awaited here: a rejection while the upload is being closed would be unhandled, and end the daemon.
      return await uploadBlob({ ...parts, inTurn }, call.writer(sha256), { sha256, upload });
    },
    findBlob: ({ params }) => findBlob(parts, params.sha256),
  };
}
