import { z } from 'zod';

/** The body of every refusal: RFC 9457, and the members that clients of the existing archive read. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  /** An object in refusals of `/auth/me`, whose `detail.code` the archive's SDK reads. */
  detail: z.union([z.string(), z.object({ code: z.string(), message: z.string() })]),
  code: z.string(),
  message: z.string(),
  field: z.string().optional(),
  /** The code of a login that is not complete, as RFC 8628 names it. */
  error: z.string().optional(),
  error_description: z.string().optional(),
  /** By which the log of the daemon names the request. */
  request_id: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});

export type Problem = z.infer<typeof Problem>;
