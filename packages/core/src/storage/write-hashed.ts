import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { OsaError } from '../error.ts';

/**
 * Writes chunks to a file, holding one at a time in memory. `sha256` is hex.
 *
 * @throws OsaError `too_large`, naming `what`; the file then holds a part of the bytes
 */
export async function writeHashed(
  chunks: AsyncIterable<Uint8Array>,
  file: FileHandle,
  { what, maxBytes }: { readonly what: string; readonly maxBytes: number },
): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new OsaError('too_large', `${what} is larger than the ${maxBytes} bytes allowed`, {
        details: { limit: maxBytes },
      });
    }
    hash.update(chunk);
    await file.writeFile(chunk);
  }
  return { size, sha256: hash.digest('hex') };
}
