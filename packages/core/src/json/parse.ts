import { isUtf8 } from 'node:buffer';
import { OsaError } from '../error.ts';
import { excerpt } from '../text.ts';
import { JsonCursor, type JsonOptions, type ReadNumber } from './cursor.ts';
import type { JsonNumber } from './number.ts';
import type { RawNumber } from './raw.ts';
import type { JsonValue } from './value.ts';

/**
 * Reads one JSON text as RFC 8259 defines it, and refuses anything that would be lost or misread later: bytes that are
 * not UTF-8, a byte order mark, a key that is there twice, nesting over `maxDepth`, lone surrogates and `\u0000` (which
 * PostgreSQL cannot store). Also refused are numbers that are longer than a bound or that no double can hold (see
 * `JsonOptions`). Objects are plain; a key `__proto__` becomes an own property, or is refused with `refuseProto`.
 *
 * @throws OsaError `malformed`, with `details.offset` in bytes of UTF-8; `too_large` for `maxPlainLength`.
 */
export function parseJson(
  input: Uint8Array | string,
  options: JsonOptions & { readonly numbers: 'exact' },
): JsonValue<JsonNumber>;
export function parseJson(
  input: Uint8Array | string,
  options: JsonOptions & { readonly numbers: 'kept' },
): JsonValue<number | RawNumber>;
export function parseJson(
  input: Uint8Array | string,
  options: JsonOptions & { readonly keptUnder: string },
): JsonValue<number | RawNumber>;
export function parseJson(
  input: Uint8Array | string,
  options?: JsonOptions & { readonly numbers?: 'double' | 'strict'; readonly keptUnder?: never },
): JsonValue;
export function parseJson(input: Uint8Array | string, options: JsonOptions = {}): JsonValue<ReadNumber> {
  const cursor = new JsonCursor(typeof input === 'string' ? input : decodeUtf8(input), options);
  const value = cursor.value();
  cursor.end();
  requirePlainLength(cursor.plainLength, options.maxPlainLength ?? Number.POSITIVE_INFINITY);
  return value;
}

function requirePlainLength(length: number, most: number): void {
  if (length <= most) return;
  throw new OsaError(
    'too_large',
    `the JSON takes ${length} characters once its numbers are stored without exponents, more than ${most}; write such numbers as text`,
    { details: { limit: most } },
  );
}

/**
 * The text of `bytes`; nothing is replaced or skipped, a byte order mark stays.
 *
 * @throws OsaError `malformed` with the offset of the first byte that is not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  if (isUtf8(bytes)) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }
  const offset = validPrefix(bytes);
  const found = bytes[offset];
  const shown = found === undefined ? 'the end' : `byte ${excerpt(`0x${found.toString(16)}`)}`;
  throw new OsaError('malformed', `at byte ${offset}: ${shown} where UTF-8 needs another one`, {
    details: { offset },
  });
}

/** The text of the longest start of `bytes` that is UTF-8; for finding out what broken bytes were about. */
export function decodeUtf8Start(bytes: Uint8Array): string {
  return new TextDecoder('utf-8').decode(bytes.subarray(0, validPrefix(bytes)), { stream: true });
}

/** The length of the longest start of `bytes` that some UTF-8 text begins with. */
function validPrefix(bytes: Uint8Array): number {
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (startsUtf8(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function startsUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
