import { z } from 'zod';
import { RuleShape } from '../../auth/publisher/publisher.ts';
import { Actor, idParams, time } from '../fields.ts';
import { open, route, scope } from '../route.ts';

const Rule = {
  issuer: z.string(),
  /** Each claim with the text that a job must have; a `*` at its end matches any rest. */
  claims: z.record(z.string(), z.string()),
  scopes: z.array(z.string()),
};

export const publishersRoutes = {
  exchangeToken: route({
    method: 'POST',
    path: '/api/v1/auth/exchange',
    summary: 'Take the ID token of a CI job, once, for a token of this archive',
    gate: open,
    body: z.strictObject({ token: z.string().min(1).max(8_192) }),
    takesToken: true,
    status: 200,
    response: z.object({
      token: z.string(),
      expires_at: time,
      issuer: z.string(),
      subject: z.string(),
      scopes: z.array(z.string()),
      /** The rules that the job meets. */
      publishers: z.array(z.string()),
    }),
  }),
  listPublishers: route({
    method: 'GET',
    path: '/api/v1/publishers',
    summary: 'List the trusted publishers, newest first',
    gate: scope('publishers:write'),
    status: 200,
    response: z.object({
      items: z.array(z.object({ id: z.string(), ...Rule, added_by: Actor, created_at: time })),
    }),
  }),
  addPublisher: route({
    method: 'POST',
    path: '/api/v1/publishers',
    summary: 'Trust jobs of a CI: a rule over the claims of its ID tokens, and the scopes that it gives',
    gate: scope('publishers:write'),
    body: RuleShape,
    status: 201,
    response: z.object({ id: z.string(), ...Rule }),
    idempotent: true,
  }),
  removePublisher: route({
    method: 'POST',
    path: '/api/v1/publishers/:id/remove',
    summary: 'Remove a trusted publisher; tokens that it gave open nothing from then on',
    gate: scope('publishers:write'),
    params: idParams,
    body: z.strictObject({}),
    status: 200,
    response: z.object({ id: z.string(), removed: z.literal(true) }),
    idempotent: true,
  }),
};
