import { z } from 'zod';
import { bounds } from '../../limits.ts';
import { Actor, hookParams, idParams, reason, time } from '../fields.ts';
import { page } from '../paging.ts';
import { read, route, scope } from '../route.ts';

/**
 * How far a number may be from the one before: by a difference, or by a share of the larger one. With `any`, differences of
 * the column are counted and change no record.
 */
const Tolerance = z
  .strictObject({
    abs: z.number().min(0).optional(),
    rel: z.number().min(0).optional(),
    any: z.literal(true).optional(),
  })
  .refine((given) => Object.values(given).some((part) => part !== undefined), 'needs abs, rel or any');

/**
 * Holds the new releases of a deploy until they are compared. Tolerances and keys are given by hook. A deploy without it makes
 * new releases live at once.
 */
export const DeployComparison = z.strictObject({
  /** How many records are drawn for each hook. */
  sample: z.int().min(1).max(bounds.comparedRecords),
  seed: z.string().min(1).max(200).default('osa'),
  /** The share of the compared records that may change, in percent. */
  max_changed: z.number().min(0).max(100).default(0),
  tolerances: z.record(z.string().max(63), z.record(z.string().max(63), Tolerance)).default({}),
  keys: z.record(z.string().max(63), z.array(z.string().max(63)).max(20)).default({}),
});

const status = z.enum(['queued', 'running', 'done', 'failed']);

/** A release that a deploy holds, and how far its comparison is. */
export const DeployHold = z.object({
  hook_name: z.string(),
  version: z.int(),
  /** The change that made live what was live when the deploy began, and that release. */
  live_seq: z.int(),
  live_version: z.int(),
  comparison_id: z.string(),
  status,
  max_changed: z.number(),
  records: z.int().nullable(),
  changed_records: z.int().nullable(),
  /** Whether at most `max_changed` percent of the records changed; null until the comparison is done. */
  is_within: z.boolean().nullable(),
  /** The change by which this deploy made it live. */
  activated_seq: z.int().nullable(),
});

const Outcome = z.enum(['passed', 'rejected', 'errored']);

export const ComparisonReport = z.object({
  /** Whether the reader may see values: without, there are no examples and no largest differences. */
  shows_values: z.boolean().default(true),
  records: z.int(),
  /** Records whose outcome or rows differ beyond the tolerances. */
  changed_records: z.int(),
  /** Outcomes before and after, the most frequent first. */
  outcomes: z.array(z.object({ from: Outcome, to: Outcome, records: z.int() })),
  rows: z.object({ before: z.int(), after: z.int(), added: z.int(), removed: z.int(), changed: z.int() }),
  columns: z.array(
    z.object({
      name: z.string(),
      compared: z.int(),
      differ: z.int(),
      /** How many of these are beyond the tolerance. */
      beyond: z.int(),
      max_abs: z.number().nullable(),
      /** The largest difference, as a share of the larger of the two values. */
      max_rel: z.number().nullable(),
      /** How many differences of numbers are below 1e-12, 1e-9, 1e-6, 1e-3, 1 % … of the value. */
      histogram: z.array(z.object({ below: z.number().nullable(), count: z.int() })),
    }),
  ),
  examples: z.array(
    z.object({
      record_srn: z.string(),
      /** The name of the row before; null where there was none. */
      row: z.string().nullable(),
      what: z.string(),
      before: z.unknown(),
      after: z.unknown(),
    }),
  ),
});

const Comparison = z.object({
  id: z.string(),
  hook_name: z.string(),
  version: z.int(),
  /** The release whose rows were compared with; null for the current rows. */
  against: z.int().nullable(),
  convention_id: z.string().nullable(),
  seed: z.string(),
  sample: z.int().nullable(),
  is_list: z.boolean(),
  tolerances: z.record(z.string(), Tolerance),
  keys: z.array(z.string()),
  reason: z.string().nullable(),
  /** The deploy that holds the release until this is within its limit. */
  deploy: z.object({ id: z.string(), slug: z.string() }).nullable().default(null),
  status,
  problem: z.string().nullable(),
  report: ComparisonReport.nullable(),
  started_by: Actor,
  started_at: time,
  finished_at: time.nullable(),
});

export const comparisonsRoutes = {
  compare: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/comparisons',
    summary: 'Run a release, live or not, over published records, and report what differs; no row is made',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({
      version: z.int().min(1).max(bounds.releaseVersion),
      against: z.int().min(1).max(bounds.releaseVersion).optional(),
      convention: z.string().max(200).optional(),
      /** How many records are drawn; with `records` those are taken. */
      sample: z.int().min(1).max(bounds.comparedRecords).optional(),
      records: z.array(z.string().max(400)).min(1).max(bounds.recomputeRecords).optional(),
      /** The same seed draws the same records. */
      seed: z.string().min(1).max(200).default('osa'),
      tolerances: z.record(z.string().max(63), Tolerance).default({}),
      /** The columns by which rows of one record are matched; their order, where there are none. */
      keys: z.array(z.string().max(63)).max(20).default([]),
      reason: reason.optional(),
    }),
    status: 201,
    response: Comparison,
    idempotent: true,
  }),
  showComparison: route({
    method: 'GET',
    path: '/api/v1/comparisons/:id',
    summary:
      'Show a comparison and its report; values for callers with `runs:read`, or who may release the hook',
    gate: read,
    params: idParams,
    status: 200,
    response: Comparison,
  }),
  cancelComparison: route({
    method: 'POST',
    path: '/api/v1/comparisons/:id/cancel',
    summary:
      'Cancel a comparison: what runs of it is stopped, and a deploy that waits for it makes nothing live',
    gate: scope('hooks:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    /** `changed` is false where it had ended before. */
    response: Comparison.extend({ changed: z.boolean().default(true) }),
    idempotent: true,
  }),
  listComparisons: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/comparisons',
    summary: 'List the comparisons of a hook, newest first',
    gate: read,
    params: hookParams,
    query: page,
    status: 200,
    response: z.object({ items: z.array(Comparison), next_cursor: z.string().nullable() }),
  }),
};
