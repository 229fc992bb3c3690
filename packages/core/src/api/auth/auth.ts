import { z } from 'zod';
import { time } from '../fields.ts';
import { anybody, open, route } from '../route.ts';

export const authRoutes = {
  whoami: route({
    method: 'GET',
    path: '/api/v1/auth/me',
    summary: 'Show the caller: identity, scopes and roles of the token',
    gate: anybody,
    status: 200,
    response: z.object({
      /** A person's own id; a machine's is derived from its issuer and subject. */
      id: z.string(),
      kind: z.enum(['machine', 'person']),
      issuer: z.string(),
      subject: z.string(),
      scopes: z.array(z.string()),
      /** In lower case; empty for a machine. */
      roles: z.array(z.string()),
      expires_at: time,
      /** These names are the ones that clients of the existing archive read. */
      display_name: z.string(),
      provider: z.string(),
      external_id: z.string(),
    }),
  }),
  listIssuers: route({
    method: 'GET',
    path: '/api/v1/auth/issuers',
    summary: 'List the issuers of accepted machine tokens with their keys, and the time of the server',
    gate: open,
    status: 200,
    response: z.object({
      now: time,
      clock_skew_seconds: z.int(),
      max_token_seconds: z.int(),
      /** The audience of ID tokens that CI jobs exchange here. */
      exchange_audience: z.string().default(''),
      issuers: z.array(
        z.object({
          issuer: z.string(),
          audience: z.string(),
          scope_claim: z.string(),
          keys: z.array(z.object({ kid: z.string(), thumbprint: z.string() })),
          /** The widest scopes that its tokens may carry; null for no limit. */
          scopes: z.array(z.string()).nullable(),
        }),
      ),
    }),
  }),
};
