import { OsaError } from '@osa/core/error';
import { readArchive } from '@osa/core/hook/archive/untar';
import { bounds } from '@osa/core/limits';
import type { BlobStore } from '@osa/core/storage/index';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';
import { turns } from '../semaphore.ts';
import { spool } from '../spool.ts';

export interface BlobParts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly spoolDirectory: string;
  readonly blobBytes: number;
}

export function blobRoutes({
  store,
  blobs,
  spoolDirectory,
  blobBytes,
}: BlobParts): Pick<Handlers, 'putBlob' | 'findBlob'> {
  const checks = turns(bounds.blobChecks);
  return {
    async putBlob(call) {
      const { sha256 } = call.params;
      const limits = { directory: spoolDirectory, maxBytes: blobBytes };
      await using upload = await spool(call.upload(blobBytes), limits);
      if (upload.sha256 !== sha256) throw mismatch(sha256, upload.sha256);
      // A release of what cannot be unpacked would fail at its first run, when nobody looks. An archive is checked in
      // memory, a few at a time, however many arrive.
      await checks(async () => readArchive(await upload.bytes(), { maxFiles: bounds.blobFiles }));
      const { size } = await blobs.put(sha256, upload.open(), { maxBytes: blobBytes });
      // Awaited here: what rejects while the upload is being closed would be nobody's, and end the daemon.
      return await store.write(call.writer(sha256), async ({ registry }) => {
        await registry.recordBlob(sha256, size);
        return { sha256, size };
      });
    },
    async findBlob({ params: { sha256 } }) {
      const size = await store.registry.blobSize(sha256);
      if (size !== undefined && (await blobs.has(sha256))) return { sha256, size };
      throw new OsaError('not_found', `no blob with the digest sha256:${sha256} is stored`, {
        field: 'sha256',
      });
    },
  };
}

function mismatch(expected: string, found: string): OsaError {
  return new OsaError(
    'invalid',
    `sha256: the bytes hash to ${found}, not to ${expected}; nothing is stored`,
    {
      field: 'sha256',
      details: { expected, found },
    },
  );
}
