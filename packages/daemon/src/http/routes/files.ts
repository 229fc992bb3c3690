import type { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import type { PublishedFile } from '@osa/core/file/files';
import { findRecordFile, listRecordFiles, openRecordFile } from '@osa/core/file/read';
import { type FileParts, missingFiles, uploadFile } from '@osa/core/file/upload';
import type { FileStore } from '@osa/core/storage/index';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Handlers } from '../mount.ts';
import { byteRange } from '../range.ts';

type Routes = Pick<Handlers, 'putFile' | 'missingFiles' | 'listRecordFiles' | 'recordFile'>;

export function fileRoutes(parts: FileParts): Routes {
  const { store, files, fileBytes } = parts;
  return {
    async putFile(call) {
      const { size, offset } = call.query;
      const chunks = () => call.upload(Math.min(fileBytes, Math.max(0, size - offset)));
      return await uploadFile(parts, call.writer(), { ...call.params, size, offset }, chunks);
    },
    missingFiles: (call) => missingFiles(parts, call.writer(), { ...call.params, ...call.body }),
    listRecordFiles: ({ params }) => listRecordFiles(store, params.id),
    async recordFile({ params, request, reply }) {
      return serve(files, await findRecordFile(store, params), request, reply);
    },
  };
}

/** What a depositor has sent is never run, shown or guessed at in the archive's own origin. */
async function serve(
  files: FileStore,
  { name, size, sha256 }: PublishedFile,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): Promise<Readable> {
  const etag = `"sha256:${sha256}"`;
  const range = byteRange(headers.range, { size, isCurrent: isCurrent(headers['if-range'], etag) });
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${size}`);
    throw new OsaError('range_not_satisfiable', `Range: the file has ${size} bytes`, {
      field: 'Range',
      details: { size },
    });
  }
  const body = await openRecordFile(files, { sha256 }, range);
  reply.type('application/octet-stream').headers({
    etag,
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    'content-disposition': `attachment; filename*=UTF-8''${encodeRfc8187(name)}`,
  });
  if (range === undefined) return sized(body, size, reply);
  reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
  return sized(body, range.end - range.start + 1, reply);
}

function sized(body: Readable, bytes: number, reply: FastifyReply): Readable {
  reply.header('content-length', bytes);
  return body;
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
