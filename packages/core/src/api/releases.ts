import { z } from 'zod';
import { Config, Digest, Limits, runtimes } from '../hook/release.ts';
import { time } from './fields.ts';

/** Facts about a CI job, by name: as its provider signed them. */
export const Job = z.record(z.string(), z.string());

/** Where else the bytes of a release come from, as a later deploy or release of the same bytes said. */
const FurtherSource = z.object({ source_ref: z.string(), recorded_by: z.string(), recorded_at: time });

export const ReleaseSummary = z.object({
  version: z.int(),
  is_live: z.boolean(),
  runtime: z.enum(runtimes),
  image: z.string().nullable(),
  digest: z.string(),
  /** From its first release; it never changes. */
  source_ref: z.string(),
  /** The newest of them, at most as many as a page holds by default. */
  further_sources: z.array(FurtherSource).default([]),
  built_by: z.string(),
  built_at: time,
  /**
   * The facts that the provider of a CI signed about the job that built it: repository, commit, ref, workflow, run;
   * null without.
   */
  built_in: Job.nullable().default(null),
  /** The newest comparison of it that is done: with the current rows, or those of the release `against`. */
  comparison: z
    .object({
      id: z.string(),
      against: z.int().nullable(),
      records: z.int(),
      changed_records: z.int(),
      /** Whether values within a tolerance counted as unchanged. */
      is_tolerant: z.boolean().default(false),
      finished_at: time,
    })
    .nullable()
    .default(null),
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
