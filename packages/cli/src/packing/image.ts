import { OsaError } from '@osa/core/error';
import { isImage, splitImage } from '@osa/core/hook/image';

export interface Image {
  /** The name without its digest. */
  readonly name: string;
  readonly digest: string;
}

/**
 * Reads `REF@sha256:…`: code runs by digest, so a tag alone is refused.
 *
 * @throws OsaError `usage`
 */
export function parseImage(text: string): Image {
  const reference = splitImage(text);
  const { name, digest } = reference;
  if (digest !== undefined && isImage(reference) && /^\S{1,900}$/.test(name)) return { name, digest };
  throw new OsaError(
    'usage',
    'It must be an image with its digest, REF@sha256: and 64 hexadecimal digits in lower case; a tag could move.',
  );
}
