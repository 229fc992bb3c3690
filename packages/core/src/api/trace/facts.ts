import { z } from 'zod';
import { time, uuid } from '../fields.ts';
import { MadeRows } from './runs.ts';

/** Facts of the supply chain, by which `impact` and recalls select. Commits come apart: a query and a body write them differently. */
export const facts = {
  /** A release as `hook@version`. */
  release: z.string().max(100).optional(),
  /** The digest of an image or a directory, or of the platform that ran. The beginning of a release's digest will do. */
  digest: z
    .string()
    .regex(/^(?:sha256:)?[0-9a-f]{6,64}$/, {
      error: 'must be "sha256:" and 64 lower-case hexadecimal digits, or the first 6 or more of them',
    })
    .optional(),
  /** The subject of who built them. */
  built_by: z.string().min(1).max(1_000).optional(),
  /** The releases that this deploy declared. */
  deploy: uuid.optional(),
  /** The SRN of a published record. */
  record: z.string().max(400).optional(),
};

export const commitRule = 'must be names of commits, of 12 hexadecimal digits or more, separated by commas';

const Touched = z.object({
  hook: z.string(),
  version: z.int(),
  digest: z.string(),
  source_ref: z.string(),
  built_by: z.string(),
  built_at: time,
  live_version: z.int().nullable(),
  made: MadeRows,
});

/** Rows and records that were made, by the counts that runs keep. */
export const impactAnswer = {
  made: MadeRows,
  releases: z.array(Touched),
  conventions: z.array(MadeRows.extend({ convention: z.string() })),
};
