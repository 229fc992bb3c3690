import { z } from 'zod';
import { hookCode, route } from './route.ts';

const blobParams = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits'),
});

export const blobsRoutes = {
  putBlob: route({
    method: 'PUT',
    path: '/api/v1/blobs/:sha256',
    summary: 'Store a packed hook directory under its SHA-256',
    gate: hookCode,
    params: blobParams,
    body: 'application/octet-stream',
    status: 200,
    response: z.object({ sha256: z.string(), size: z.int() }),
  }),
  findBlob: route({
    method: 'GET',
    path: '/api/v1/blobs/:sha256',
    summary: 'Find a stored blob, and its size',
    gate: hookCode,
    params: blobParams,
    status: 200,
    response: z.object({ sha256: z.string(), size: z.int() }),
  }),
};
