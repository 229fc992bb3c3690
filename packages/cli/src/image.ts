import { OsaError } from '@osa/core/error';

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
  const [, name, digest] = /^([^\s@]{1,900})@(sha256:[0-9a-f]{64})$/.exec(text) ?? [];
  if (name !== undefined && digest !== undefined) return { name, digest };
  throw new OsaError(
    'usage',
    'It must be an image with its digest, REF@sha256: and 64 lower-case hexadecimal digits: a tag may move.',
  );
}
