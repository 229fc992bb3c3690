import { z } from 'zod';
import { bounds } from '../limits.ts';
import { wholeText } from './paging.ts';
import { type Gate, read, route } from './route.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const slug = z.string().max(200);
/** `urn:osa:…`, or its end: `<id>` or `<id>@<version>`. */
const record = z.string().max(300);

/** For those who bring records in, and for depositors. */
const sender: Gate = {
  kind: 'scope',
  verb: 'ingestions:write',
  orVerb: 'depositions:write',
  resourceParam: 'slug',
};

export const filesRoutes = {
  putFile: route({
    method: 'PUT',
    path: '/api/v1/conventions/:slug/files/:sha256',
    summary:
      'Store a file for records of a convention under its SHA-256; a part of it from `offset`, or the rest of it',
    gate: sender,
    params: z.object({ slug, sha256 }),
    query: z.object({
      offset: wholeText(0, bounds.fileBytes).default(0),
      /** The size of the whole file. */
      size: wholeText(0, bounds.fileBytes),
    }),
    body: 'application/octet-stream',
    status: 200,
    response: z.object({
      sha256: z.string(),
      size: z.int(),
      /** Bytes that have come; the next part begins there. */
      received: z.int(),
      /** Whether the whole file is stored. */
      stored: z.boolean(),
    }),
  }),
  missingFiles: route({
    method: 'POST',
    path: '/api/v1/conventions/:slug/files/missing',
    summary: 'Find which of some files are not stored, and how much of each has come from the caller',
    gate: sender,
    params: z.object({ slug }),
    body: z.strictObject({ sha256: z.array(sha256).max(bounds.askedFiles) }),
    status: 200,
    response: z.object({ missing: z.array(z.object({ sha256: z.string(), received: z.int() })) }),
  }),
  listRecordFiles: route({
    method: 'GET',
    path: '/api/v1/data/records/:id/files',
    summary: 'List the files of a published record: its newest version, or `<id>@<version>`',
    gate: read,
    params: z.object({ id: record }),
    status: 200,
    response: z.object({
      items: z.array(z.object({ name: z.string(), size: z.int(), sha256: z.string() })),
    }),
  }),
  recordFile: route({
    method: 'GET',
    path: '/api/v1/data/records/:id/files/:name',
    summary: 'Read a file of a published record, or the part of it that `Range` names',
    gate: read,
    params: z.object({ id: record, name: z.string().max(300) }),
    etag: 'the SHA-256 of the file',
    status: 200,
    response: 'file',
  }),
};
