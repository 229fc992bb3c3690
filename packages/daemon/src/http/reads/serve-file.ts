import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import type { PublishedFile } from '@osa/core/file/files';
import { openRecordFile } from '@osa/core/file/read';
import type { FileStore } from '@osa/core/storage/index';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { conditionsOf } from './conditions.ts';
import { byteRange } from './range.ts';

import { StoredBytes } from './stored-bytes.ts';

/** Never lets a browser run, show or guess at a depositor's file in the archive's own origin. */
export function serveFile(
  files: FileStore,
  { name, size, sha256 }: PublishedFile,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): StoredBytes {
  const { headers } = request;
  const etag = `"sha256:${sha256}"`;
  const conditions = conditionsOf(headers, etag);
  if (conditions === 'failed') {
    throw new OsaError(
      'precondition_failed',
      `If-Match: none of the tags is the file's, ${etag}; ask again without it, or with this tag`,
      { field: 'If-Match', details: { etag } },
    );
  }
  if (conditions === 'not modified') {
    return new StoredBytes(0, async () => {
      reply.code(304).header('etag', etag);
      return Readable.from([]);
    });
  }
  // A range counts for GET only.
  const asked = request.method === 'GET' ? headers.range : undefined;
  const range = byteRange(asked, { size, isCurrent: isCurrent(headers['if-range'], etag) });
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${size}`);
    throw new OsaError('range_not_satisfiable', `Range: the file has ${size} bytes`, {
      field: 'Range',
      details: { size },
    });
  }
  const length = range === undefined ? size : range.end - range.start + 1;
  return new StoredBytes(length, async () => {
    const body = await openRecordFile(files, { sha256 }, range);
    reply.type('application/octet-stream').headers({
      etag,
      'accept-ranges': 'bytes',
      'content-length': length,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'content-disposition': `attachment; filename*=UTF-8''${encodeRfc8187(name)}`,
    });
    if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
    return body;
  });
}

/** A range is of what the client has seen. */
function isCurrent(ifRange: string | string[] | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange === etag;
}

/** The characters that RFC 8187 lets stand as they are. */
function encodeRfc8187(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
