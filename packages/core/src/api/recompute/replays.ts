import { z } from 'zod';
import { bounds } from '../../limits.ts';
import { Actor, idParams, reason, time, uuid } from '../fields.ts';
import { page, wholeText } from '../paging.ts';
import { read, route, scope } from '../route.ts';

/**
 * `identical`: the same values, bit for bit. `differs`: the code ran, and its answer is another one. `cannot`: it could not
 * be run to its end here, which says nothing of the values.
 */
const Verdict = z.enum(['identical', 'differs', 'cannot']);

/** How many results came to which verdict. */
export const VerdictCounts = z.object({ identical: z.int(), differs: z.int(), cannot: z.int() });

const Replay = z.object({
  id: z.string(),
  kind: z.enum(['rows', 'run', 'sample']),
  /** The hook of a sample, where it is not of all hooks and releases. */
  hook_name: z.string().nullable(),
  version: z.int().nullable(),
  sample: z.int().nullable(),
  seed: z.string().nullable(),
  run_id: z.string().nullable(),
  reason: z.string().nullable(),
  /** `failed`: the verdict of a part could not be stored. It and `cancelled` say nothing of the results without a verdict. */
  status: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']),
  /** Results to be replayed: what a run made of one record, with all its rows. */
  results: z.int(),
  /** Counts of the parts that have a verdict. */
  ...VerdictCounts.shape,
  /** Whether the output of a whole run had the same bytes. */
  output: Verdict.nullable(),
  releases: z.array(VerdictCounts.extend({ hook_name: z.string(), version: z.int(), results: z.int() })),
  /** Why parts of it wait, or ended without a verdict. */
  reasons: z.array(z.string()),
  started_by: Actor,
  started_at: time,
  finished_at: time.nullable(),
});

const Certificate = z.object({
  id: z.int(),
  replay_id: z.string(),
  at: time,
  /** The actor who asked for the replay. */
  by: Actor,
  run_id: z.string(),
  hook_name: z.string(),
  version: z.int(),
  /** The record and its rows, the first of them; null and none for the output of a whole run. */
  record_srn: z.string().nullable(),
  rows: z.array(z.string()),
  verdict: Verdict,
  reason: z.string().nullable(),
  /** The engine that ran the code: `podman`, `docker` or `process`. */
  engine: z.string().nullable(),
  architecture: z.string().nullable(),
  resolved_digest: z.string().nullable(),
  platform_digest: z.string().nullable(),
  stored_digest: z.string().nullable(),
  made_digest: z.string().nullable(),
  /** The columns that differ; none where the record had another outcome. */
  columns: z.array(z.string()),
  /** The first values that differ, as JSON text, which keeps every bit. */
  examples: z.array(
    z.object({
      row: z.string().nullable(),
      ordinal: z.int(),
      column: z.string(),
      stored: z.string().nullable(),
      made: z.string().nullable(),
    }),
  ),
});

/** How often a row was replayed, and what came of it last. */
export const RowReplays = VerdictCounts.extend({
  last: Certificate.pick({
    ...{ replay_id: true, at: true, by: true, verdict: true, reason: true, columns: true },
    ...{ engine: true, architecture: true, platform_digest: true },
  }).nullable(),
});

const Certificates = z.object({ items: z.array(Certificate), next_cursor: z.string().nullable() });

export const replaysRoutes = {
  replay: route({
    method: 'POST',
    path: '/api/v1/replays',
    summary: 'Run rows, a run or a sample once more under their own release, and compare bit for bit',
    gate: scope('replays:write'),
    body: z.strictObject({
      /** Names of rows, such as `seismic_energy/17`. */
      rows: z.array(z.string().max(100)).min(1).max(bounds.replayedResults).optional(),
      run: uuid.optional(),
      /** How many results are drawn, of all hooks or of one, of all releases or of one. */
      sample: z.int().min(1).max(bounds.replayedResults).optional(),
      hook: z.string().max(200).optional(),
      version: z.int().min(1).max(bounds.releaseVersion).optional(),
      /** The same seed draws the same results from the same data; by default each sample is another one. */
      seed: z.string().min(1).max(200).optional(),
      reason: reason.optional(),
    }),
    status: 201,
    response: Replay,
    idempotent: true,
  }),
  showReplay: route({
    method: 'GET',
    path: '/api/v1/replays/:id',
    summary: 'Show a replay and its verdicts',
    gate: read,
    params: idParams,
    status: 200,
    response: Replay,
  }),
  listReplays: route({
    method: 'GET',
    path: '/api/v1/replays',
    summary: 'List replays, newest first',
    gate: read,
    query: page,
    status: 200,
    response: z.object({ items: z.array(Replay), next_cursor: z.string().nullable() }),
  }),
  cancelReplay: route({
    method: 'POST',
    path: '/api/v1/replays/:id/cancel',
    summary: 'Cancel a replay: certificates that are stored stay, and what has not ended leaves none',
    gate: scope('replays:write'),
    params: idParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    /** `changed` is false where it had ended before. */
    response: Replay.extend({ changed: z.boolean().default(true) }),
    idempotent: true,
  }),
  listCertificates: route({
    method: 'GET',
    path: '/api/v1/replays/:id/certificates',
    summary: 'List the certificates of a replay: one for each result, and one for the output of a whole run',
    gate: read,
    params: idParams,
    query: page.extend({ verdict: z.enum([...Verdict.options, 'not_identical']).optional() }),
    status: 200,
    response: Certificates,
  }),
  listRowCertificates: route({
    method: 'GET',
    path: '/api/v1/trace/rows/:hook/:id/replays',
    summary: 'List the certificates of one row, newest first',
    gate: read,
    params: z.object({ hook: z.string().max(200), id: wholeText(1, Number.MAX_SAFE_INTEGER) }),
    query: page,
    status: 200,
    response: Certificates,
  }),
};
