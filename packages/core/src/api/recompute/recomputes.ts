import { z } from 'zod';
import { bounds } from '../../limits.ts';
import { Actor, hookParams, idParams, Pause, reason, time, Unstartable, uuid } from '../fields.ts';
import { BatchStatus } from '../ingestions.ts';
import { page, wholePage } from '../paging.ts';
import { read, route, scope } from '../route.ts';

const RecomputeStatus = z.enum(['running', 'paused', 'completed', 'failed', 'cancelled']);

const RecomputeRecordStatus = z.enum(['pending', 'overtaken', 'passed', 'rejected', 'errored']);

/**
 * The state of a recompute. It is cut into batches as workers take them: `records` counts those that are cut, and
 * `expected_records` what was current when it began. Each of its records ends in one of the other counts, or is still
 * `pending`. `retried` counts earlier tries.
 */
export const Recompute = z.object({
  id: z.string(),
  hook_name: z.string(),
  /** The releases whose current rows are computed again. */
  releases: z.array(z.int()),
  convention_id: z.string().nullable(),
  /** Whether the records were named one by one. */
  is_list: z.boolean(),
  /** Whether records that the hook has never seen are among them. */
  with_missing: z.boolean(),
  /** The recall that it is for. */
  recall_id: z.string().nullable().default(null),
  /** The move of the live pointer that it heals. */
  healed: z.object({ seq: z.int(), from_version: z.int().nullable(), to_version: z.int() }).nullable(),
  reason: z.string().nullable(),
  status: RecomputeStatus,
  paused: Pause.nullable(),
  expected_records: z.int(),
  expected_rows: z.int(),
  /** Whether all of it is cut into batches. */
  is_cut: z.boolean(),
  records: z.int(),
  /** Skipped: their current rows were of the live release by then, or of one that is not selected. */
  overtaken: z.int(),
  passed: z.int(),
  /** The live release rejects them: they have no current rows of this hook any more. */
  rejected: z.int(),
  /** Their earlier rows stay current. */
  errored: z.int(),
  pending: z.int(),
  retried: z.int(),
  rows: z.int(),
  batches: z.record(BatchStatus, z.int()),
  /** The releases that it ran. */
  used: z.array(z.object({ version: z.int(), batches: z.int(), records: z.int(), rows: z.int() })),
  /** Why batches wait, are parked or have failed. */
  reasons: z.array(z.string()),
  /** Why none of the workers that run can start its waiting batches; null when one can, or nothing waits. */
  unstartable: Unstartable,
  started_by: Actor,
  started_at: time,
  finished_at: time.nullable(),
});

const RecomputePlan = z.object({
  hook_name: z.string(),
  live_version: z.int(),
  releases: z.array(z.int()),
  records: z.int(),
  rows: z.int(),
  /** How many of the records the hook has never seen. */
  missing: z.int(),
  /** At least so many: records of different conventions are in different batches. */
  /** Depositions in review that are validated again, with the live release. */
  in_review: z.int().default(0),
  batches: z.int(),
  /** Run time of the hook, one batch after the other, by its last runs; null without any. */
  estimated_seconds: z.number().nullable(),
});

const selection = {
  /** By default all but the live one, and the records that the hook has never seen. */
  releases: z.array(z.int().min(1).max(bounds.releaseVersion)).min(1).max(1_000).optional(),
  convention: z.string().max(200).optional(),
  /** SRNs of published records, of any version; each is computed again at its newest. */
  records: z.array(z.string().max(400)).min(1).max(bounds.recomputeRecords).optional(),
  /** A recall: its releases of the hook, or its record. Not with `releases` or `records`. */
  recalled: uuid.optional(),
};

const StaleHook = z.object({
  hook_name: z.string(),
  live_version: z.int().nullable(),
  /** Records whose current outcome is not of the live release, and their rows. */
  stale_records: z.int(),
  stale_rows: z.int(),
  /** Published records of its conventions that the hook has never seen. */
  missing: z.int(),
  /** Newest first. */
  releases: z.array(
    z.object({ version: z.int(), is_live: z.boolean(), records: z.int(), rejected: z.int(), rows: z.int() }),
  ),
  /** The recomputes of the hook that are not finished. */
  recomputes: z.array(z.string()),
});

/** The state of a recompute after a request that may have found nothing to change. */
const ControlledRecompute = Recompute.extend({ changed: z.boolean().default(true) });

export const recomputesRoutes = {
  listStale: route({
    method: 'GET',
    path: '/api/v1/stale',
    summary: 'Count the current records and rows of every hook by release',
    gate: read,
    query: wholePage,
    status: 200,
    response: z.object({ items: z.array(StaleHook), next_cursor: z.string().nullable() }),
  }),
  showStale: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/stale',
    summary: 'Count the current records and rows of a hook by release',
    gate: read,
    params: hookParams,
    status: 200,
    response: StaleHook,
  }),
  planRecompute: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/recomputes/plan',
    summary: 'Say what a recompute would do, and change nothing',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject(selection),
    status: 200,
    response: RecomputePlan,
  }),
  recompute: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/recomputes',
    summary: "Compute published records again with the hook's live release; older rows are superseded",
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({ ...selection, reason: reason.optional() }),
    status: 201,
    response: Recompute,
    idempotent: true,
  }),
  listRecomputes: route({
    method: 'GET',
    path: '/api/v1/recomputes',
    summary: 'List recomputes, newest first',
    gate: read,
    query: page.extend({ hook: z.string().max(200).optional() }),
    status: 200,
    response: z.object({ items: z.array(Recompute), next_cursor: z.string().nullable() }),
  }),
  showRecompute: route({
    method: 'GET',
    path: '/api/v1/recomputes/:id',
    summary: 'Show the state of one recompute',
    gate: read,
    params: idParams,
    status: 200,
    response: Recompute,
  }),
  listRecomputeRecords: route({
    method: 'GET',
    path: '/api/v1/recomputes/:id/records',
    summary: 'List the records of a recompute, with the reasons of those that did not pass',
    gate: read,
    params: idParams,
    query: page.extend({
      /** `failed`: rejected, or errored and not tried again since. */
      status: z.enum(['failed', ...RecomputeRecordStatus.options]).optional(),
    }),
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          source_id: z.string(),
          convention_id: z.string(),
          batch: z.int(),
          status: RecomputeRecordStatus,
          reason: z.string().nullable(),
          /** The version that was computed again; null where no worker has taken it yet. */
          record_srn: z.string().nullable(),
        }),
      ),
      next_cursor: z.string().nullable(),
    }),
  }),
  pauseRecompute: route({
    method: 'POST',
    path: '/api/v1/recomputes/:id/pause',
    summary: 'Pause a recompute: none of its batches is claimed; running ones finish',
    gate: scope('hooks:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: ControlledRecompute,
    idempotent: true,
  }),
  resumeRecompute: route({
    method: 'POST',
    path: '/api/v1/recomputes/:id/resume',
    summary: 'End the pause of a recompute',
    gate: scope('hooks:write'),
    params: idParams,
    body: z.strictObject({}),
    status: 200,
    response: ControlledRecompute,
    idempotent: true,
  }),
  cancelRecompute: route({
    method: 'POST',
    path: '/api/v1/recomputes/:id/cancel',
    summary: 'Cancel a recompute: unfinished batches write nothing, and earlier rows stay current',
    gate: scope('hooks:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: ControlledRecompute,
    idempotent: true,
  }),
  retryRecompute: route({
    method: 'POST',
    path: '/api/v1/recomputes/:id/retry',
    summary:
      'Try the errored records of a recompute again, under the release that is live by then; one that was stopped goes on',
    gate: scope('hooks:write'),
    params: idParams,
    body: z.strictObject({}),
    status: 200,
    response: z.object({
      id: z.string(),
      retried: z.int(),
      batches: z.int(),
      /** Whether anything is left to run. */
      goes_on: z.boolean(),
    }),
    idempotent: true,
  }),
};

export type RecomputeSelection = z.infer<z.ZodObject<typeof selection>>;
