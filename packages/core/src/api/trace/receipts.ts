import { z } from 'zod';
import { time } from '../fields.ts';
import { wholeText } from '../paging.ts';
import { open, read, route } from '../route.ts';

export const exportFormats = ['prov-jsonld', 'ro-crate', 'openlineage', 'in-toto'] as const;

export const receiptRoutes = {
  exportRow: route({
    method: 'GET',
    path: '/api/v1/trace/rows/:hook/:id/:format',
    summary:
      'Trace one row in the form of a standard: `prov-jsonld`, `ro-crate` (a Process Run Crate), `openlineage` (the events of its run) or `in-toto` (a signed receipt)',
    gate: read,
    params: z.object({
      hook: z.string().max(200),
      id: wholeText(1, Number.MAX_SAFE_INTEGER),
      format: z.enum(exportFormats),
    }),
    status: 200,
    response: 'bytes',
  }),
  attestationKeys: route({
    method: 'GET',
    path: '/.well-known/osa-keys.json',
    summary: 'Show the public keys that receipts of this archive are signed with, as a JWK set',
    gate: open,
    status: 200,
    response: z.object({
      keys: z.array(
        z.object({
          kty: z.literal('OKP'),
          crv: z.literal('Ed25519'),
          x: z.string(),
          kid: z.string(),
          use: z.literal('sig'),
          created_at: time,
          /** When it was replaced; it signs nothing since. */
          retired_at: time.nullable(),
        }),
      ),
    }),
  }),
};
