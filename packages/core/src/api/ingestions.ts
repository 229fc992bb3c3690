import { z } from 'zod';
import { bounds } from '../limits.ts';
import { Actor, idParams, Pause, reason, SchemaRef, time } from './fields.ts';
import { page, wholeText } from './paging.ts';
import { route, scope } from './route.ts';

export const BatchStatus = z.enum(['queued', 'running', 'parked', 'done', 'failed']);

export const RecordStatus = z.enum(['pending', 'invalid', 'unchanged', 'published', 'rejected', 'errored']);

/**
 * Where an ingestion stands. `records` came in; each is one of the others in the end, or still `pending`.
 * `retried` counts tries that were followed by a newer one; their records are counted where they are newest.
 */
const Ingestion = z.object({
  id: z.string(),
  srn: z.string(),
  convention_id: z.string(),
  schema_id: SchemaRef,
  status: z.enum(['running', 'paused', 'completed', 'failed', 'cancelled']),
  /** While it is paused, none of its batches is claimed; those that run end. */
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
  /** Why batches wait, are parked or failed, pauses of hooks and earlier ingestions among it: each reason once. */
  reasons: z.array(z.string()),
  started_by: Actor,
  started_at: time,
  finished_at: time.nullable(),
});

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
    summary: 'Take in records: one JSON object a line, {"source_id", "metadata"}; all or nothing',
    gate: scope('ingestions:write', 'slug'),
    params: z.object({ slug: z.string().max(200) }),
    query: z.object({
      batch_size: wholeText(1, bounds.batchRecords).default(bounds.defaultBatchRecords),
    }),
    body: 'application/x-ndjson',
    status: 201,
    response: Ingestion,
    idempotent: true,
  }),
  listIngestions: route({
    method: 'GET',
    path: '/api/v1/ingestions',
    summary: 'Ingestions, newest first',
    gate: scope('ingestions:read'),
    query: page,
    status: 200,
    response: z.object({ items: z.array(Ingestion), next_cursor: z.string().nullable() }),
  }),
  showIngestion: route({
    method: 'GET',
    path: '/api/v1/ingestions/:id',
    summary: 'Where an ingestion stands',
    gate: scope('ingestions:read'),
    params: idParams,
    status: 200,
    response: Ingestion,
  }),
  listIngestionRecords: route({
    method: 'GET',
    path: '/api/v1/ingestions/:id/records',
    summary: 'The records of an ingestion and what became of them, in the order of the upload',
    gate: scope('ingestions:read'),
    params: idParams,
    query: page.extend({
      /** `failed` is invalid, rejected or errored, and not tried again since. */
      status: z.enum(['failed', ...RecordStatus.options]).optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(IngestionRecord), next_cursor: z.string().nullable() }),
  }),
  retryIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/retry',
    summary: 'Try again what was rejected or errored, in a new batch under the releases that are live then',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({}),
    status: 200,
    response: z.object({
      id: z.string(),
      /** Records put into new batches. */
      retried: z.int(),
      /** Records left alone, because the same source came in again later. */
      overtaken: z.int(),
      batches: z.int(),
    }),
    idempotent: true,
  }),
  pauseIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/pause',
    summary: 'Claim no more batches of an ingestion; those that run end',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: Ingestion,
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
    response: Ingestion,
    idempotent: true,
  }),
  cancelIngestion: route({
    method: 'POST',
    path: '/api/v1/ingestions/:id/cancel',
    summary: 'End an ingestion: batches that are not done write nothing, and their records are errored',
    gate: scope('ingestions:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: Ingestion,
    idempotent: true,
  }),
};
