import { OsaError } from '../error.ts';

/** The place after the last row of a page: its sort value and its tie-break, as opaque text. */
export interface Place {
  readonly s: string | number | null;
  readonly id: string | number;
}

export function encodeCursor(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @throws OsaError `invalid` */
export function decodeCursor(text: string | undefined): Place | undefined {
  if (text === undefined) return undefined;
  const place = parse(Buffer.from(text, 'base64url').toString('utf8'));
  if (isPlace(place)) return place;
  throw new OsaError('invalid', 'cursor: not a cursor of this list; leave it out to start again', {
    field: 'cursor',
  });
}

/** A cursor whose place is a whole number, such as a row id or a version. */
export function decodeNumberCursor(text: string | undefined): number | undefined {
  const place = decodeCursor(text);
  if (place === undefined) return undefined;
  if (typeof place.id === 'number' && Number.isSafeInteger(place.id)) return place.id;
  throw new OsaError('invalid', 'cursor: not a cursor of this list; leave it out to start again', {
    field: 'cursor',
  });
}

/** One page of `rows`, which were read with one row more than `limit`. */
export function paged<T>(
  rows: readonly T[],
  limit: number,
  place: (row: T) => Place,
): { readonly page: T[]; readonly next_cursor: string | null; readonly has_more: boolean } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { page, next_cursor: more ? encodeCursor(place(last)) : null, has_more: more };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPlace(value: unknown): value is Place {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('s' in value)) return false;
  const { id, s } = value;
  const isKey = (part: unknown) => typeof part === 'string' || typeof part === 'number';
  return isKey(id) && (s === null || isKey(s));
}
