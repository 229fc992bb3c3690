import type { RouteName } from '../api/index.ts';
import { OsaError } from '../error.ts';

/** The place after the last row of a page: its sort value and its tie-break. */
export interface Place {
  readonly s: string | number | null;
  readonly id: string | number;
}

/** The pages of one list. A cursor is a place in it as opaque text, and belongs to this list alone. */
export interface Pages {
  /** @throws OsaError `invalid` */
  after(cursor: string | undefined): Place | undefined;
  /** Where the tie-break is a whole number, such as a row's id or a version. @throws OsaError `invalid` */
  afterNumber(cursor: string | undefined): number | undefined;
  /** One page of `rows`, which were read with one row more than `limit`; of `available` rows, if not all were read. */
  cut<T>(
    rows: readonly T[],
    limit: number,
    place: (row: T) => Place,
    available?: number,
  ): { readonly page: T[]; readonly next_cursor: string | null; readonly has_more: boolean };
}

export function pagesOf(list: RouteName): Pages {
  const after = (cursor: string | undefined): Place | undefined => {
    if (cursor === undefined) return undefined;
    const place = parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!isPlace(place) || place.list !== list) throw strangeCursor();
    return place;
  };
  return {
    after,
    afterNumber(cursor) {
      const id = after(cursor)?.id;
      if (id === undefined || (typeof id === 'number' && Number.isSafeInteger(id))) return id;
      throw strangeCursor();
    },
    cut(rows, limit, place, available = rows.length) {
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      const more = available > page.length && last !== undefined;
      return { page, next_cursor: more ? encode({ list, ...place(last) }) : null, has_more: more };
    },
  };
}

type Cursor = Place & { readonly list: string };

function encode(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function strangeCursor(): OsaError {
  return new OsaError('invalid', 'cursor: not a cursor of this list; leave it out to start again', {
    field: 'cursor',
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPlace(value: unknown): value is Cursor {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('s' in value)) return false;
  const { id, s } = value;
  const isKey = (part: unknown) => typeof part === 'string' || typeof part === 'number';
  return 'list' in value && isKey(id) && (s === null || isKey(s));
}
