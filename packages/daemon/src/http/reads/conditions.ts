import type { IncomingHttpHeaders } from 'node:http';

/**
 * The outcome of `If-Match` and `If-None-Match` for a reading of what has the strong `etag` (RFC 9110, section 13.2.2).
 * `If-Match` comes first and compares strongly, so a weak tag never fits; `If-None-Match` compares weakly.
 */
export function conditionsOf(
  headers: Pick<IncomingHttpHeaders, 'if-match' | 'if-none-match'>,
  etag: string,
): 'failed' | 'not modified' | undefined {
  const { 'if-match': wanted, 'if-none-match': known } = headers;
  if (wanted !== undefined && !names(wanted, etag, { isWeak: false })) return 'failed';
  return known !== undefined && names(known, etag, { isWeak: true }) ? 'not modified' : undefined;
}

function names(header: string, etag: string, { isWeak }: { readonly isWeak: boolean }): boolean {
  if (header.trim() === '*') return true;
  // A tag may hold commas.
  const tags = [...header.matchAll(/(W\/)?("[^"]*")/g)];
  return tags.some(([, weak, tag]) => tag === etag && (isWeak || weak === undefined));
}
