import type { Readable } from 'node:stream';
import type { Answer } from '../api/index.ts';
import type { RecordFile } from '../file/file.ts';
import { type FileParts, missingFiles, uploadFile } from '../file/upload.ts';
import type { Writer } from '../store.ts';
import { type Edit, putFile } from './edit.ts';
import { requireFillable } from './sheet.ts';

/** A whole file that has come. */
export interface ArrivedFile extends RecordFile {
  open(start: number): Readable;
}

/**
 * Stores a file for the depositor and names it in the draft, in the place of the one of its name.
 *
 * @throws OsaError as `editMetadata` and `uploadFile`
 */
export async function addFile(
  parts: FileParts,
  writer: Writer,
  { name, sha256, size, open, ...edit }: Edit & ArrivedFile,
): Promise<Answer<'showDeposition'>> {
  const { store } = parts;
  const { convention_id: slug } = await requireFillable(store, writer.principal, edit);
  // The key is for the request as a whole; to store the same bytes twice is to store them once.
  const storing = { principal: writer.principal, request: writer.request };
  const { missing } = await missingFiles(parts, storing, { slug, sha256: [sha256] });
  // A part may have come from the same sender by its digest.
  const offset = Math.min(size, missing[0]?.received ?? size);
  if (missing.length > 0)
    await uploadFile(parts, storing, { slug, sha256, offset, size }, () => open(offset));
  return putFile(store, writer, { ...edit, file: { name, sha256, size } });
}
