import { z } from 'zod';
import { bounds } from '../../limits.ts';
import { Actor, time } from '../fields.ts';
import { wholeText } from '../paging.ts';
import { route, scope } from '../route.ts';

export const Event = z.object({
  /** Its place; events appear in this order, and none appears before one that was read. */
  seq: z.int(),
  type: z.string(),
  at: time,
  /** The actor who caused it; null for events of the archive itself. */
  actor: Actor.nullable(),
  payload: z.record(z.string(), z.unknown()),
});

export const eventsRoutes = {
  readEvents: route({
    method: 'GET',
    path: '/api/v1/events',
    summary:
      'Read events after a place, or the last ones. With `wait` the answer comes once there is an event, or after so many seconds. With `Accept: text/event-stream` events are sent as they happen (Server-Sent Events), from `after` or `Last-Event-ID`',
    gate: scope('events:read'),
    query: z.object({
      /** The place of the last event that the caller has; 0 for the first ones. */
      after: wholeText(0, Number.MAX_SAFE_INTEGER).optional(),
      /** The newest so many events instead. */
      last: wholeText(0, bounds.eventPage).optional(),
      limit: wholeText(1, bounds.eventPage).default(100),
      type: z.string().max(100).optional(),
      wait: wholeText(0, bounds.eventWaitSeconds).default(0),
    }),
    status: 200,
    response: z.object({
      items: z.array(Event),
      /** The value of `after` for the next request. */
      after: z.int(),
      has_more: z.boolean(),
      /** Up to this place, ends of batches and accepted requests may have been removed because of their age. */
      pruned_to: z.int().nullable().default(null),
    }),
    streamedAs: 'text/event-stream',
    waits: true,
  }),
  deadEvents: route({
    method: 'GET',
    path: '/api/v1/events/dead',
    summary: 'List what another service refused, or did not take within a day, newest first',
    gate: scope('events:read'),
    query: z.object({ limit: wholeText(1, bounds.eventPage).default(50) }),
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          id: z.int(),
          consumer: z.string(),
          /** The place of the event that it came of. */
          seq: z.int(),
          document: z.record(z.string(), z.unknown()),
          error: z.string(),
          at: time,
        }),
      ),
      has_more: z.boolean(),
    }),
  }),
};
