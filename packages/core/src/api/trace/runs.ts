import { z } from 'zod';
import { DeploySummary } from '../conventions.ts';
import { Actor, idParams, Recalled, rowId, time, versionText } from '../fields.ts';
import { VerdictCounts } from '../recompute/replays.ts';
import { read, route } from '../route.ts';
import { TracedHook, TracedRelease, TracedRun } from './rows.ts';

/** The rows that something made, as far as they can be read, by the counts that each run keeps. */
export const MadeRows = z.object({
  runs: z.int(),
  records: z.int(),
  rows: z.int(),
  first_at: time.nullable(),
  last_at: time.nullable(),
});

const RunTrace = z.object({
  /** A run of a batch of an ingestion, or of a recompute. */
  run: TracedRun.extend({
    convention: z.string(),
    ingestion: z.string().nullable(),
    recompute: z.string().nullable(),
  }),
  release: TracedRelease,
  hook: TracedHook,
  /** How often it was replayed as a whole, and whether its output had the same bytes. */
  replays: VerdictCounts.optional(),
  /** The outcomes of its records. */
  outcomes: z.object({ passed: z.int(), rejected: z.int(), errored: z.int() }),
  /** The first of its rows that can be read. */
  rows: z.array(z.object({ name: z.string(), id: rowId, record_srn: z.string(), source_id: z.string() })),
});

const LiveChange = z.object({
  seq: z.int(),
  kind: z.string(),
  from_version: z.int().nullable(),
  to_version: z.int(),
  reason: z.string().nullable(),
  actor: Actor,
  at: time,
});

const ReleaseTrace = z.object({
  release: TracedRelease,
  hook: TracedHook,
  made: MadeRows,
  conventions: z.array(MadeRows.extend({ convention: z.string() })),
  /** The newest moves of the live pointer to this release, and away from it. */
  live_changes: z.array(LiveChange),
});

const DeployTrace = z.object({
  deploy: DeploySummary,
  /** The releases that it declared, and the rows that each has made since. */
  releases: z.array(
    z.object({
      hook: z.string(),
      version: z.int(),
      /** Whether this deploy made the release, or found it. */
      created: z.boolean(),
      digest: z.string(),
      source_ref: z.string(),
      live_version: z.int().nullable(),
      recalled: Recalled,
      made: MadeRows,
    }),
  ),
});

export const traceRunRoutes = {
  traceRun: route({
    method: 'GET',
    path: '/api/v1/trace/runs/:id',
    summary: 'Trace one run: its release, its attempts, its records and the first of its rows',
    gate: read,
    params: idParams,
    status: 200,
    response: RunTrace,
  }),
  traceRelease: route({
    method: 'GET',
    path: '/api/v1/trace/releases/:hook/:version',
    summary: 'Trace one release: where its code came from, when it was live, and the rows that it made',
    gate: read,
    params: z.object({ hook: z.string().max(200), version: versionText }),
    status: 200,
    response: ReleaseTrace,
  }),
  traceDeploy: route({
    method: 'GET',
    path: '/api/v1/trace/deploys/:id',
    summary: 'Trace one deploy: the releases that it declared, and the rows that they made',
    gate: read,
    params: idParams,
    status: 200,
    response: DeployTrace,
  }),
};
