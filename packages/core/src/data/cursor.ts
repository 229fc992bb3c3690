import { createHash } from 'node:crypto';
import { OsaError } from '../error.ts';
import type { Place } from './dataset.ts';

/** Cursors of published data: a place in one query, and the moment as of which its pages are read. */

export interface Cursor {
  readonly place: Place;
  readonly asOf: string;
}

/** `query` is everything that decides which rows there are and their order. */
export function writeCursor({ place, asOf }: Cursor, query: unknown): string {
  const body = { k: place.k, id: place.id, t: asOf };
  return Buffer.from(JSON.stringify({ ...body, c: seal(body, query) })).toString('base64url');
}

/** @throws OsaError `invalid` for a cursor of another query, and one that was changed */
export function readCursor(text: string, query: unknown): Cursor {
  const { c, ...body } = parse(text);
  if (!isBody(body) || c !== seal(body, query)) {
    throw new OsaError(
      'invalid',
      'cursor: not a cursor of this query; send the query that gave it, or leave the cursor out to start again',
      { field: 'cursor' },
    );
  }
  return { place: { k: body.k, id: body.id }, asOf: body.t };
}

interface Body {
  readonly k: readonly (string | null)[];
  readonly id: string;
  readonly t: string;
}

/** Finds mistaken changes. A forged cursor shows nothing that the same query does not show. */
function seal({ k, id, t }: Body, query: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([query, k, id, t]))
    .digest('base64url')
    .slice(0, 16);
}

function parse(text: string): Partial<Body> & { readonly c?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isBody(value: Partial<Body>): value is Body {
  const { k, id, t } = value;
  const isValue = (part: unknown) => part === null || typeof part === 'string';
  return Array.isArray(k) && k.every(isValue) && typeof id === 'string' && typeof t === 'string';
}
