import { z } from 'zod';
import { FeatureContract } from '../../hook/hook.ts';
import { Digest } from '../../hook/release.ts';
import { bounds } from '../../limits.ts';
import { Attempt } from '../attempts.ts';
import { Deposition } from '../depositions.ts';
import { Actor, Recalled, rowId, SchemaRef, time } from '../fields.ts';
import { wholeText } from '../paging.ts';
import { RowReplays } from '../recompute/replays.ts';
import { ReleaseDetail } from '../releases.ts';
import { read, route } from '../route.ts';

export const TracedRecord = z.object({
  srn: z.string(),
  version: z.int(),
  newest_version: z.int(),
  convention: z.string(),
  schema_id: SchemaRef,
  source_id: z.string(),
  ingestion: z.string(),
  line: z.int(),
  published_at: time,
  /** The recalls of this record itself. */
  recalled: Recalled,
  metadata: z.record(z.string(), z.unknown()),
});

export const TracedRun = z.object({
  id: z.string(),
  batch: z.string(),
  status: z.string().nullable(),
  started_at: time.nullable(),
  finished_at: time.nullable(),
  snapshot_at: time.nullable(),
  row_count: z.int().nullable(),
  input_digest: Digest.nullable(),
  output_digest: Digest.nullable(),
  /** Attempts that ran out of memory and were repeated with more. */
  oom_retries: z.int(),
  /** The recalls of its release, and of the platform that it ran on. */
  recalled: Recalled,
  attempts: z.array(Attempt),
  /** When the log of the last of them was removed because of its age. */
  log_pruned_at: time.nullable().default(null),
});

/** The successor of a row: the outcome of a recompute, which may have rejected the record. */
const Superseded = z.object({
  status: z.enum(['passed', 'rejected']),
  /** Why the record was rejected. */
  rejection: z.string().nullable(),
  release: z.int(),
  run_id: z.string(),
  at: time.nullable(),
  recompute_id: z.string(),
  /** The recall that the recompute was for. */
  recall_id: z.string().nullable().default(null),
  /** Why it was computed again. */
  reason: z.string().nullable(),
  /** Whether that was part of a move of the live pointer. */
  is_heal: z.boolean(),
  /** The rows that are there instead; the first of them. */
  row_count: z.int(),
  rows: z.array(z.string()),
});

export const TracedRelease = ReleaseDetail.extend({
  live_version: z.int().nullable(),
  recalled: Recalled,
  /** The live change that first made this release live; null if it never was. */
  introduced_by: z.object({ kind: z.string(), actor: Actor, at: time }).nullable(),
});

export const TracedHook = z.object({ name: z.string(), owner: z.string(), feature: FeatureContract });

/** The provenance of a row: row → record → run → release → hook. */
const RowTrace = z.object({
  row: z.object({
    name: z.string(),
    id: rowId,
    ordinal: z.int(),
    /** False if a newer computation has replaced the row. */
    current: z.boolean(),
    superseded_by: Superseded.nullable().default(null),
    /** All recalls of its release, its run or its record. */
    recalled: Recalled,
    values: z.record(z.string(), z.unknown()),
    /** How often the row was computed once more by its own release, and with what result. */
    replays: RowReplays.optional(),
  }),
  record: TracedRecord.extend({
    /** The deposition that the record came of; null if it came in with an upload. Its own trace says more. */
    deposition: z.object({ id: z.string(), depositor: Actor }).nullable().default(null),
  }),
  run: TracedRun,
  release: TracedRelease,
  hook: TracedHook,
});

/** A row in a list, with the release that computed it. */
export const TracedRow = z.object({
  name: z.string(),
  hook: z.string(),
  id: rowId,
  ordinal: z.int(),
  current: z.boolean(),
  run_id: z.string(),
  release: z.int(),
  /** Whether that release is live; `live_version` is the one that is. */
  is_live: z.boolean().default(false),
  live_version: z.int().nullable().default(null),
  digest: z.string(),
  recalled: Recalled,
  values: z.record(z.string(), z.unknown()),
});

/** How a record was deposited: each submission with its runs, and what was decided. Reasons are the depositor's alone. */
const TracedDeposition = z.object({
  id: z.string(),
  depositor: Actor,
  created_at: time,
  /** The newest first. */
  submissions: z.array(
    Deposition.shape.submissions.element
      .pick({ ingestion: true, status: true, submitted_at: true, finished_at: true, runs: true })
      .extend({
        review: z.object({ decision: z.enum(['approved', 'rejected']), actor: Actor, at: time }).nullable(),
        ended: z.object({ actor: Actor, at: time }).nullable().default(null),
      }),
  ),
});

export const RecordTrace = z.object({
  record: TracedRecord,
  /** Null for a record that came in with an upload. */
  deposition: TracedDeposition.nullable().default(null),
  /** The number of all rows; `rows` holds the first of them. */
  row_count: z.int(),
  rows: z.array(TracedRow),
});

export const traceRowRoutes = {
  traceRow: route({
    method: 'GET',
    path: '/api/v1/trace/rows/:hook/:id',
    summary: 'Trace one row: the code that computed it, and the record that it is about',
    gate: read,
    params: z.object({
      hook: z.string().max(200),
      id: wholeText(1, Number.MAX_SAFE_INTEGER),
    }),
    status: 200,
    response: RowTrace,
  }),
  traceRecord: route({
    method: 'GET',
    path: '/api/v1/trace/records/:srn',
    summary: `Trace the rows of one published record to their releases; at most ${bounds.tracedRows} rows`,
    gate: read,
    params: z.object({ srn: z.string().max(400) }),
    status: 200,
    response: RecordTrace,
  }),
};
