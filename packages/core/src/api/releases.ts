import { z } from 'zod';
import { Config, Digest, Limits, runtimes } from '../hook/release.ts';
import { time } from './fields.ts';

export const ReleaseSummary = z.object({
  version: z.int(),
  is_live: z.boolean(),
  runtime: z.enum(runtimes),
  image: z.string().nullable(),
  digest: z.string(),
  source_ref: z.string(),
  built_by: z.string(),
  built_at: time,
});

/** `config` may hold secrets, so without `runs:read` it is null and only its digest is shown. */
export const ReleaseDetail = ReleaseSummary.extend({
  id: z.string(),
  hook_name: z.string(),
  command: z.array(z.string()).nullable(),
  config: Config.nullable(),
  config_digest: Digest,
  limits: Limits,
});
