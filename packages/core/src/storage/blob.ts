import { createHash } from 'node:crypto';
import { OsaError } from '../error.ts';

/** Refuses any key but a digest, which is safe as a name. */
export function requireDigest(sha256: string): void {
  if (isDigest(sha256)) return;
  throw new OsaError(
    'invalid',
    `a blob's key must be 64 lower-case hexadecimal digits, not ${JSON.stringify(sha256)}`,
    { field: 'sha256' },
  );
}

export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text) && text.length === 64;
}

export function notStored(sha256: string, cause?: unknown): OsaError {
  return new OsaError(
    'not_found',
    `no blob with the digest sha256:${sha256} is stored; restore it from a backup`,
    {
      details: { sha256 },
      cause,
    },
  );
}

export function mismatch(expected: string, found: string): OsaError {
  return new OsaError(
    'invalid',
    `the bytes hash to sha256:${found}, not to sha256:${expected}; nothing is stored`,
    { field: 'sha256', details: { expected, found } },
  );
}

export function damaged(sha256: string, found: string): OsaError {
  return new OsaError(
    'unavailable',
    `the blob sha256:${sha256} is damaged in the store: its bytes hash to sha256:${found}; restore it from a backup ` +
      '(to send it again mends nothing, since it counts as stored); osad storage check lists all that are damaged',
    { details: { sha256, found } },
  );
}

/** Passes the pieces on, and keeps the last one back until all of them have the digest. @throws OsaError `unavailable` */
export async function* verified(
  pieces: AsyncIterable<Uint8Array>,
  sha256: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let last: Uint8Array | undefined;
  for await (const piece of pieces) {
    if (last !== undefined) yield last;
    hash.update(piece);
    last = piece;
  }
  const found = hash.digest('hex');
  if (found !== sha256) throw damaged(sha256, found);
  if (last !== undefined) yield last;
}

/** Passes the pieces on, and keeps the last one back until they have ended without a failure. */
export async function* endingWell(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let last: Uint8Array | undefined;
  for await (const piece of pieces) {
    if (last !== undefined) yield last;
    last = piece;
  }
  if (last !== undefined) yield last;
}
