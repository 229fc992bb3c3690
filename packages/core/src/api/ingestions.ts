import { z } from 'zod';
import { bounds } from '../limits.ts';
import { Actor, idParams, Pause, reason, SchemaRef, time, Unstartable } from './fields.ts';
import { page, wholeText } from './paging.ts';
import { route, scope } from './route.ts';

export const BatchStatus = z.enum(['queued', 'running', 'parked', 'done', 'failed']);

export const RecordStatus = z.enum(['pending', 'invalid', 'unchanged', 'published', 'rejected', 'errored']);

const IngestionStatus = z.enum(['running', 'paused', 'completed', 'failed', 'cancelled']);

/**
 * The state of an ingestion. Each of its `records` ends in one of the other counts, or is still `pending`.
 * `retried` counts earlier tries; a record, and its rows, are counted by its newest try only.
 */
const Ingestion = z.object({
  id: z.string(),
  srn: z.string(),
  convention_id: z.string(),
  schema_id: SchemaRef,
  status: IngestionStatus,
  /** While an ingestion is paused, none of its batches is claimed; running ones finish. */
  paused: Pause.nullable(),
  records: z.int(),
  invalid: z.int(),
  unchanged: z.int(),
  published: z.int(),
  rejected: z.int(),
  errored: z.int(),
  pending: z.int(),
  retried: z.int(),
  rows: z.int(),
  batches: z.record(BatchStatus, z.int()),
  /**
   * The distinct reasons why batches wait, are parked, or failed with records that were not tried again since; including
   * pauses and earlier ingestions.
   */
  reasons: z.array(z.string()),
  /** Why none of the workers that run can start its waiting batches; null when one can, or nothing waits. */
  unstartable: Unstartable,
  started_by: Actor,
  started_at: time,
  finished_at: time.nullable(),
});

/** The state of an ingestion after a request that may have found nothing to change. */
const ControlledIngestion = Ingestion.extend({ changed: z.boolean().default(true) });

const IngestionRecord = z.object({
  source_id: z.string(),
  line: z.int(),
  batch: z.int(),
  status: RecordStatus,
  reason: z.string().nullable(),
  record_srn: z.string().nullable(),
  outcomes: z.array(
    z.object({
      hook: z.string(),
      version: z.int(),
      status: z.enum(['passed', 'rejected', 'errored']),
      reason: z.string().nullable(),
    }),
  ),
});

export const ingestionsRoutes = {
  ingest: route({
    method: 'POST',
    path: '/api/v1/conventions/:slug/ingestions',
    summary: 'Upload records, all or nothing: one JSON object a line, {"source_id", "metadata"}',
    gate: scope('ingestions:write', 'slug'),
    params: z.object({ slug: z.string().max(200) }),
    query: z.object({
      batch_size: wholeText(1, bounds.batchRecords).default(bounds.defaultBatchRecords),
      /**
       * `find` answers with the ingestion of the same bytes that the caller sent to this convention within a day, unless
       * it was ended or a later upload has sent one of its sources.
       */
      repeat: z.enum(['store', 'find']).default('store'),
    }),
    body: 'application/x-ndjson',
    status: 201,
    response: Ingestion.extend({
      /** False where an earlier ingestion of the same upload was found, and nothing was stored. */
      created: z.boolean().default(true),
    }),
    idempotent: true,
  }),
  listIngestions: route({
    method: 'GET',
    path: '/api/v1/ingestions',
    summary: 'List ingestions, newest first',
    gate: scope('ingestions:read'),
    query: page.extend({
      convention: z.string().max(200).optional(),
      status: IngestionStatus.optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(Ingestion), next_cursor: z.string().nullable() }),
  }),
  showIngestion: route({
    method: 'GET',
    path: '/api/v1/ingestions/:id',
    summary: 'Show the state of one ingestion',
    gate: scope('ingestions:read'),
    params: idParams,
    status: 200,
    response: Ingestion,
  }),
  listIngestionRecords: route({
    method: 'GET',
    path: '/api/v1/ingestions/:id/records',
    summary: 'List the records of an ingestion with their outcomes, in the order of the upload',
    gate: scope('ingestions:read'),
    params: idParams,
    query: page.extend({
      /** `failed`: invalid, rejected or errored, and not retried since. */
      status: z.enum(['failed', ...RecordStatus.options]).optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(IngestionRecord), next_cursor: z.string().nullable() }),
  }),
  listIngestionFailures: route({
    method: 'GET',
    path: '/api/v1/ingestions/:id/failures',
    summary: 'List why records of an ingestion failed, the most frequent reasons first',
    gate: scope('ingestions:read'),
    params: idParams,
    query: z.object({ limit: wholeText(1, 100).default(3) }),
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          status: z.enum(['invalid', 'rejected', 'errored']),
          /** The release that did not pass them; null where no hook has seen them. */
          hook: z.string().nullable(),
          version: z.int().nullable(),
          records: z.int(),
          /** The reason of the first of them. Reasons that differ in quoted texts and numbers only count as one. */
          reason: z.string().nullable(),
          /** Whether all of them have exactly this reason. */
          same: z.boolean(),
          source_id: z.string(),
          line: z.int(),
          run: z.string().nullable(),
          has_logs: z.boolean(),
        }),
      ),
      /** How many failed records were looked at, and whether these are all. */
      looked_at: z.int(),
      complete: z.boolean(),
    }),
  }),
  retryIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/retry',
    summary: 'Retry rejected and errored records in new batches, under the releases that are live by then',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({}),
    status: 200,
    response: z.object({
      id: z.string(),
      /** Records put into new batches. */
      retried: z.int(),
      /** Records that are not retried because a later ingestion holds the same source. */
      overtaken: z.int(),
      batches: z.int(),
      /** Records that break the schema; a retry cannot help them. */
      invalid: z.int().default(0),
      /** Records that are not done, apart from those put into new batches. */
      pending: z.int().default(0),
      /** The releases that claimed batches run. */
      running: z.array(z.object({ hook: z.string(), version: z.int(), batches: z.int() })).default([]),
    }),
    idempotent: true,
  }),
  pauseIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/pause',
    summary: 'Pause an ingestion: none of its batches is claimed; running ones finish',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: ControlledIngestion,
    idempotent: true,
  }),
  resumeIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/resume',
    summary: 'End the pause of an ingestion',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({}),
    status: 200,
    response: ControlledIngestion,
    idempotent: true,
  }),
  cancelIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/cancel',
    summary: 'Cancel an ingestion: unfinished batches write nothing, and their records are errored',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: ControlledIngestion,
    idempotent: true,
  }),
};
