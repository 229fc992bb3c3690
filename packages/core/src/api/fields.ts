import { z } from 'zod';
import { isDateTime, isOffsetInUse } from '../calendar.ts';
import { bounds } from '../limits.ts';
import { wholeText } from './paging.ts';

export const uuid = z.uuid('must be a UUID, such as 01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80');

export const time = z.iso.datetime();

/** A time in a request. */
export const givenTime = z
  .string()
  .meta({ format: 'date-time' })
  .refine(
    (text) => isDateTime(text) && isOffsetInUse(text),
    'must be a time with an offset of at most 14 hours, such as 2026-01-31T12:00:00Z',
  );

export const rowId = z.int().min(1);

export const hookParams = z.object({ name: z.string().max(200) });

/** A release's version in a path or a query. */
export const versionText = wholeText(1, bounds.releaseVersion);

export const idParams = z.object({ id: uuid });

/** The live pointer as the caller last saw it; 412 if it has moved since. If-Match can carry the first. */
export const expected = {
  expected_live_seq: z.int().min(1).max(bounds.liveSeq).optional(),
  expected_live_version: z.int().min(1).max(bounds.releaseVersion).optional(),
};

export const reason = z.string().max(bounds.reasonLength).regex(/\S/, 'must not be blank');

export const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export const Actor = z.object({ issuer: z.string(), subject: z.string() });

export const SchemaRef = z.object({ id: z.string(), version: z.string() });

/** The open recalls that select a thing. */
export const Recalled = z.array(z.object({ id: z.string(), reason: z.string() })).default([]);

export const Difference = z.object({ path: z.string(), from: z.unknown(), to: z.unknown() });

/** A pause: when, why and by whom. */
export const Pause = z.object({ at: time, reason: z.string().nullable(), by: Actor });

/**
 * Why none of the workers that run can start something: how many workers there are, and the releases that not all of them
 * have a runner for. Null when one can.
 */
export const Unstartable = z
  .object({
    workers: z.int(),
    releases: z.array(z.object({ hook: z.string(), version: z.int(), runtime: z.string() })),
  })
  .nullable()
  .default(null);

/** Batches of one ingestion or recompute that were claimed under a release of a hook, and keep it until they end. */
export const ClaimedBatches = z.object({
  version: z.int(),
  /** Null for those of a recompute. */
  ingestion_id: z.string().nullable(),
  recompute_id: z.string().nullable().default(null),
  convention_id: z.string(),
  batches: z.int(),
});
