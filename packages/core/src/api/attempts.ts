import { z } from 'zod';
import { time } from './fields.ts';

export const Attempt = z.object({
  n: z.int(),
  runner: z.string(),
  memory_bytes: z.int(),
  ending: z.string().nullable(),
  exit_code: z.int().nullable(),
  exit_signal: z.string().nullable(),
  detail: z.string().nullable(),
  resolved_digest: z.string().nullable(),
  /** The digest of the platform that ran, if the release's digest names an image index. */
  platform_digest: z.string().nullable(),
  started_at: time,
  finished_at: time.nullable(),
});
