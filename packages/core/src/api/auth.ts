import { z } from 'zod';
import { time } from './fields.ts';
import { anybody, open, route } from './route.ts';

export const authRoutes = {
  whoami: route({
    method: 'GET',
    path: '/api/v1/auth/me',
    summary: 'Who the token says that you are, and what it grants',
    gate: anybody,
    status: 200,
    response: z.object({
      /** Of an actor: a person's own, a machine's from its issuer and subject. */
      id: z.string(),
      kind: z.enum(['machine', 'person']),
      issuer: z.string(),
      subject: z.string(),
      scopes: z.array(z.string()),
      /** A person's, in lower case. */
      roles: z.array(z.string()),
      expires_at: time,
      /** As clients of the existing archive read them. */
      display_name: z.string(),
      provider: z.string(),
      external_id: z.string(),
    }),
  }),
  listIssuers: route({
    method: 'GET',
    path: '/api/v1/auth/issuers',
    summary: 'Whose machine tokens are accepted, with which keys, and what time it is here',
    gate: open,
    status: 200,
    response: z.object({
      now: time,
      clock_skew_seconds: z.int(),
      max_token_seconds: z.int(),
      issuers: z.array(
        z.object({
          issuer: z.string(),
          audience: z.string(),
          scope_claim: z.string(),
          keys: z.array(z.object({ kid: z.string(), thumbprint: z.string() })),
          /** What its tokens may carry at most; null for no bound. */
          scopes: z.array(z.string()).nullable(),
        }),
      ),
    }),
  }),
};
