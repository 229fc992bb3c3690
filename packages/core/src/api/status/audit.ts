import { z } from 'zod';
import { Actor, givenTime, time } from '../fields.ts';
import { wholeText } from '../paging.ts';
import { route, scope } from '../route.ts';

export const auditRoutes = {
  audit: route({
    method: 'GET',
    path: '/api/v1/audit',
    summary:
      'List who did what, newest first: writes, refusals and exchanges, with the actor and the request',
    gate: scope('runs:read'),
    query: z.object({
      since: givenTime.optional(),
      /** Part of the subject. */
      actor: z.string().min(1).max(300).optional(),
      hook: z.string().min(1).max(200).optional(),
      limit: wholeText(1, 1_000).default(100),
      /** Only entries before this one. */
      before: wholeText(1, Number.MAX_SAFE_INTEGER).optional(),
    }),
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          id: z.int(),
          at: time,
          type: z.string(),
          actor: Actor.nullable(),
          /** The hook, convention, ingestion or publisher that was changed. */
          about: z.string().nullable(),
          request_id: z.string().nullable(),
          details: z.record(z.string(), z.unknown()),
        }),
      ),
      /** The value of `before` for the next page; null at the end. */
      next_before: z.int().nullable(),
      /** False where the trail was too long to be looked through. */
      complete: z.boolean(),
    }),
  }),
};
