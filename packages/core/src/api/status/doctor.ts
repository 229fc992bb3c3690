import { z } from 'zod';
import { route, scope } from '../route.ts';

export const doctorRoutes = {
  doctor: route({
    method: 'GET',
    path: '/api/v1/doctor',
    summary: 'Check what the daemon needs: database, role, sessions, clock, data directory, runner, issuers',
    gate: scope('runs:read'),
    status: 200,
    // With `ok` false and no hint, it was not looked at, since the database cannot be reached.
    response: z.object({
      ok: z.boolean(),
      checks: z.array(
        z.object({ check: z.string(), ok: z.boolean(), detail: z.string(), hint: z.string().nullable() }),
      ),
    }),
  }),
};
