import { z } from 'zod';
import { Pause, time } from '../fields.ts';
import { route, scope } from '../route.ts';

/** Why batches wait, as a code of a closed list. */
export const waitCodes = [
  /** For a free worker. */
  'worker',
  /** Somebody paused the ingestion or one of its hooks. */
  'paused',
  /** An earlier batch with some of the same sources has not ended. */
  'earlier_batch',
  /** It failed before and is tried again later. */
  'retry',
  /** Its claims fail. */
  'claim_failures',
  /** A hook has no live release. */
  'no_live_release',
  /** No worker that has looked at it can start its releases. */
  'no_runner',
] as const;

/** Why a person is needed. */
export const needCodes = [
  'no_worker',
  'claim_failures',
  'release_fails',
  'parked',
  'stuck',
  'disk_full',
  /** A heal has ended and left current results of the release that it was to replace. */
  'unhealed',
  /** Current rows are recalled. */
  'recalled',
] as const;

const Waiting = z.object({
  why: z.enum(waitCodes),
  batches: z.int(),
  oldest_at: time,
  /** The reason of one of them, in words. */
  example: z.string().nullable(),
});

const Queue = z.object({
  convention: z.string(),
  queued: z.int(),
  running: z.int(),
  parked: z.int(),
  /** When the oldest batch that does not run came in; null when all run. */
  oldest_at: time.nullable(),
  waits: z.array(Waiting),
});

const FailingRelease = z.object({
  hook: z.string(),
  version: z.int(),
  is_live: z.boolean(),
  /** Runs of the last hour, by how they ended. */
  passed: z.int(),
  failed: z.int(),
  error: z.int(),
  /** The last run that did not pass. */
  run: z.string(),
  reason: z.string().nullable(),
});

/** Current rows of releases that are not live, from the counts that are kept. */
const StaleRows = z.object({
  records: z.int(),
  rows: z.int(),
  /** The hooks with the most. */
  hooks: z.array(
    z.object({ hook: z.string(), live_version: z.int().nullable(), records: z.int(), rows: z.int() }),
  ),
});

const AffectedRecall = z.object({
  id: z.string(),
  fact: z.string(),
  asked: z.string(),
  reason: z.string(),
  opened_at: time,
  /** The current part of it; a record counts once for each hook. */
  records: z.int(),
  rows: z.int(),
});

export const statusRoutes = {
  status: route({
    method: 'GET',
    path: '/api/v1/status',
    summary:
      'Show how the archive is: database, disk, workers, the queue, failing releases, and who must act',
    gate: scope('runs:read'),
    status: 200,
    response: z.object({
      /** Whether nothing needs a person. */
      ok: z.boolean(),
      version: z.string(),
      domain: z.string(),
      now: time,
      started_at: time,
      database: z.object({ version: z.string(), bytes: z.int(), migration: z.string() }),
      /** The disk of this daemon's data directory. */
      disk: z.object({ total_bytes: z.int(), free_bytes: z.int() }),
      workers: z.array(z.object({ name: z.string(), runtimes: z.array(z.string()) })),
      queue: z.object({
        /** False for a queue that is longer than what was counted: the oldest batches. */
        complete: z.boolean(),
        conventions: z.array(Queue),
      }),
      failing: z.array(FailingRelease),
      stale: StaleRows,
      paused: z.object({
        hooks: z.array(z.object({ hook: z.string(), paused: Pause })),
        ingestions: z.array(z.object({ id: z.string(), convention: z.string(), paused: Pause })),
      }),
      /** The open recalls of which rows are current, the oldest first. */
      recalls: z.array(AffectedRecall).default([]),
      /** Each thing that needs a person. */
      needs: z.array(
        z.object({
          code: z.enum(needCodes),
          /** The hook or convention; null for all of the archive. */
          about: z.string().nullable(),
          detail: z.string(),
          /** A command or another step. */
          next: z.string(),
        }),
      ),
    }),
  }),
};
