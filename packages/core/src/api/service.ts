import { z } from 'zod';
import { open, route } from './route.ts';

export const serviceRoutes = {
  health: route({
    method: 'GET',
    path: '/health',
    summary: 'Whether the process is up',
    gate: open,
    status: 200,
    response: z.object({ status: z.literal('ok'), version: z.string() }),
  }),
  ready: route({
    method: 'GET',
    path: '/ready',
    summary: 'Whether it can do its work; 503 when it cannot',
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
  }),
  metrics: route({
    method: 'GET',
    path: '/metrics',
    summary: 'Prometheus metrics',
    gate: open,
    status: 200,
    response: 'text',
  }),
  openapi: route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    gate: open,
    status: 200,
    response: z.looseObject({ openapi: z.string() }),
  }),
};
