import { z } from 'zod';
import { Attempt } from './attempts.ts';
import { idParams, time, uuid, versionText } from './fields.ts';
import { page, wholeText } from './paging.ts';
import { anybody, route, scope } from './route.ts';

/** A run in a list; `status` is null until the run ends. */
const RunSummary = z.object({
  id: z.string(),
  hook_name: z.string(),
  version: z.int(),
  release_id: z.string(),
  status: z.enum(['passed', 'failed', 'error']).nullable(),
  reason: z.string().nullable(),
  batch: z.string(),
  /** Null for a run of a recompute. */
  ingestion: z.string().nullable(),
  recompute: z.string().nullable().default(null),
  convention: z.string(),
  attempt_count: z.int(),
  oom_retries: z.int(),
  rows: z.int().nullable(),
  created_at: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  duration_s: z.number().nullable(),
  has_logs: z.boolean(),
});

const RunDetail = RunSummary.extend({
  digest: z.string(),
  /** The outcomes of its records. */
  records: z.object({ passed: z.int(), rejected: z.int(), errored: z.int() }),
  attempts: z.array(
    Attempt.extend({
      log_bytes: z.int().nullable(),
      /** When its log was removed because of its age. */
      log_pruned_at: time.nullable().default(null),
    }),
  ),
});

export const runsRoutes = {
  listRuns: route({
    method: 'GET',
    path: '/api/v1/hooks/runs',
    summary: 'List runs of hooks, newest first',
    gate: scope('runs:read'),
    query: page.extend({
      hook: z.string().max(200).optional(),
      status: z.enum(['passed', 'failed', 'error', 'open']).optional(),
      release: versionText.optional(),
      ingestion: uuid.optional(),
      recompute: uuid.optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(RunSummary), next_cursor: z.string().nullable() }),
  }),
  showRun: route({
    method: 'GET',
    path: '/api/v1/hooks/runs/:id',
    summary: 'Show one run: its release, its records and each attempt',
    gate: scope('runs:read'),
    params: idParams,
    status: 200,
    response: RunDetail,
  }),
  runLogs: route({
    method: 'GET',
    path: '/api/v1/hooks/runs/:id/logs',
    summary:
      'Show the log of a run (stdout and stderr): its start and its end; by default, of the last attempt',
    gate: scope('runs:read'),
    params: idParams,
    query: z.object({ attempt: wholeText(1, 1_000_000).optional() }),
    status: 200,
    response: 'bytes',
  }),
  followRun: route({
    method: 'GET',
    path: '/api/v1/hooks/runs/:id/tail',
    summary: 'Follow the log of an attempt while it runs',
    gate: scope('runs:read'),
    params: idParams,
    query: z.object({
      attempt: wholeText(1, 1_000_000).default(1),
      /** Bytes of the log that the caller already has. */
      after: wholeText(0, Number.MAX_SAFE_INTEGER).default(0),
    }),
    status: 200,
    response: z.object({
      attempt: z.int(),
      /** The new part of the log, as far as it is kept; base64, since it may hold any bytes. */
      log: z.string(),
      /** Bytes missing before `log`, because they are not kept. */
      skipped: z.int(),
      /** The value of `after` for the next request. */
      bytes: z.int(),
      /** How the attempt ended; null until it has. */
      ending: z.string().nullable(),
      /** The status of the run; null until it ends. */
      status: z.enum(['passed', 'failed', 'error']).nullable(),
      /** Attempts started so far. */
      attempt_count: z.int(),
    }),
  }),
  listWorkers: route({
    method: 'GET',
    path: '/api/v1/workers',
    summary:
      'List the workers that run batches at the moment, with the kinds of releases that each can start',
    gate: anybody,
    status: 200,
    response: z.object({
      items: z.array(z.object({ name: z.string(), runtimes: z.array(z.string()) })),
    }),
  }),
};
