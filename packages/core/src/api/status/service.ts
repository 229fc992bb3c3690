import { z } from 'zod';
import { time } from '../fields.ts';
import { open, read, route } from '../route.ts';

const health = route({
  method: 'GET',
  path: '/health',
  summary: 'Report that the process is up',
  gate: open,
  status: 200,
  response: z.object({ status: z.literal('ok'), version: z.string() }),
});

const ready = route({
  method: 'GET',
  path: '/ready',
  summary: 'Report whether the daemon can do its work; 503 if it cannot',
  gate: open,
  status: 200,
  troubleStatus: [503, 'Not ready'],
  response: z.object({
    status: z.enum(['ready', 'degraded']),
    version: z.string(),
    components: z.record(
      z.string(),
      z.object({ status: z.enum(['ok', 'error', 'unchecked']), detail: z.string().nullable() }),
    ),
  }),
});

export const serviceRoutes = {
  health,
  ready,
  /** Where clients of the existing archive look for them. */
  apiHealth: route({ ...health, path: '/api/v1/health' }),
  apiReady: route({ ...ready, path: '/api/v1/ready' }),
  metrics: route({
    method: 'GET',
    path: '/metrics',
    summary: 'Show metrics for Prometheus',
    gate: open,
    status: 200,
    response: 'text',
  }),
  findIds: route({
    method: 'GET',
    path: '/api/v1/ids/:kind/:prefix',
    summary: 'Find the ids that begin with a prefix, among those that the caller may read, the newest first',
    gate: read,
    params: z.object({
      kind: z.enum([
        'ingestion',
        'recompute',
        'comparison',
        'recall',
        'replay',
        'run',
        'deploy',
        'deposition',
      ]),
      prefix: z
        .string()
        .regex(/^[0-9a-f][0-9a-f-]{3,35}$/i, 'must be the beginning of an id: 4 hex digits or more'),
    }),
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          id: z.string(),
          /** The convention of an ingestion, deploy or deposition, the hook of a run or recompute, the fact of a recall. */
          name: z.string(),
          at: time,
        }),
      ),
      /** Whether there are more than these. */
      has_more: z.boolean(),
    }),
  }),
  openapi: route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'Show this document',
    gate: open,
    status: 200,
    response: z.looseObject({ openapi: z.string() }),
  }),
};
