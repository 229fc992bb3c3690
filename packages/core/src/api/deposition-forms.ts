import { z } from 'zod';
import {
  anyReader,
  revisionTag as etag,
  seenRevision as ifMatch,
  depositionParams as params,
} from './depositions.ts';
import { time } from './fields.ts';
import { route, scope } from './route.ts';

/** Forms, as browsers and the clients of other archives send them. */
export const depositionFormRoutes = {
  addDepositionFile: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/files',
    summary:
      'Add a file to a draft, or replace the one of its name, by a form: the file is in the field "file"',
    gate: scope('depositions:write'),
    params,
    body: 'multipart/form-data',
    etag,
    ifMatch,
    status: 200,
    response: z.object({
      file: z.object({
        name: z.string(),
        size: z.int(),
        /** `sha256:` and 64 hexadecimal digits. */
        checksum: z.string(),
        /** Names and first bytes say what a file is; nobody's word does. */
        content_type: z.null(),
        uploaded_at: time,
      }),
    }),
    idempotent: true,
  }),
  depositionTemplate: route({
    method: 'GET',
    path: '/api/v1/depositions/:id/template',
    summary: 'Get a workbook (.xlsx) to fill in: names, descriptions, and values in the third row',
    gate: anyReader,
    params,
    status: 200,
    response: 'archive',
  }),
  fillDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/spreadsheet',
    summary: 'Replace the metadata of a draft by those of a filled workbook, unless it has errors',
    gate: scope('depositions:write'),
    params,
    body: 'multipart/form-data',
    ifMatch,
    status: 200,
    response: z.object({
      parse_result: z.object({
        /** The draft has these afterwards. */
        metadata: z.record(z.string(), z.unknown()),
        warnings: z.array(z.string()),
        /** Where there are some, nothing was changed. */
        errors: z.array(z.object({ field: z.string().nullable(), message: z.string() })),
      }),
    }),
    idempotent: true,
  }),
};
