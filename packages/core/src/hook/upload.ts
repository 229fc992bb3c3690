import type { Readable } from 'node:stream';
import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import { bounds } from '../limits.ts';
import type { BlobStore } from '../storage/index.ts';
import type { Store, Writer } from '../store.ts';
import { readArchive } from './archive/untar.ts';

/** A packed hook directory that has arrived completely. */
export interface PackedHook {
  /** Hex. */
  readonly sha256: string;
  open(): Readable;
  /** All of it, in memory. */
  bytes(): Promise<Buffer>;
}

export interface UploadParts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly blobBytes: number;
  /** Limits how many archives are in memory at a time. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Stores a packed hook directory under its digest. An archive that cannot be unpacked is refused here, because a release
 * of it would fail only at its first run.
 *
 * @throws OsaError `invalid` (another digest, not an archive), `too_large`, `unavailable`
 */
export async function uploadBlob(
  { store, blobs, blobBytes, inTurn }: UploadParts,
  writer: Writer,
  { sha256, upload }: { readonly sha256: string; readonly upload: PackedHook },
): Promise<Answer<'putBlob'>> {
  if (upload.sha256 !== sha256) throw mismatch(sha256, upload.sha256);
  await inTurn(async () => readArchive(await upload.bytes(), { maxFiles: bounds.blobFiles }));
  await store.useBlobs([sha256]);
  const { size } = await blobs.put(sha256, upload.open(), { maxBytes: blobBytes });
  return store.write(writer, async ({ registry }) => {
    await registry.recordBlob(sha256, size);
    return { sha256, size };
  });
}

/** @throws OsaError `not_found` */
export async function findBlob(
  { store, blobs }: Pick<UploadParts, 'store' | 'blobs'>,
  sha256: string,
): Promise<Answer<'findBlob'>> {
  const size = await store.registry.blobSize(sha256);
  // First said, then looked for: the caller does not send what it hears is there, and means to use it.
  if (size !== undefined) await store.useBlobs([sha256]);
  if (size !== undefined && (await blobs.find(sha256)) !== undefined) return { sha256, size };
  throw new OsaError('not_found', `no blob with the digest sha256:${sha256} is stored`, { field: 'sha256' });
}

function mismatch(expected: string, found: string): OsaError {
  return new OsaError(
    'invalid',
    `sha256: the bytes hash to ${found}, not to ${expected}; nothing is stored`,
    { field: 'sha256', details: { expected, found } },
  );
}
