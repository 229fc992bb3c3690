import { z } from 'zod';
import { FeatureContract } from '../hook/hook.ts';
import { Command, Config, Digest, LimitsUpdate, ReleaseVersion, runtimes } from '../hook/release.ts';
import {
  Actor,
  ClaimedBatches,
  expected,
  givenTime,
  hookParams,
  Pause,
  reason,
  SchemaRef,
  time,
  versionText,
} from './fields.ts';
import { nextPage, page, wholePage } from './paging.ts';
import { Recompute } from './recompute/recomputes.ts';
import { ReleaseDetail, ReleaseSummary } from './releases.ts';
import { read, route, scope } from './route.ts';

const HookSummary = z.object({
  name: z.string(),
  owner: z.string(),
  feature: FeatureContract,
  release_count: z.int(),
  live_release: z
    .object({ version: z.int(), digest: z.string(), source_ref: z.string(), built_at: time })
    .nullable(),
  /** While a hook is paused, no batch that needs it is claimed. */
  paused: Pause.nullable(),
});

/** `changed` is false if the hook was already in this state. */
const HookPause = z.object({ hook_name: z.string(), changed: z.boolean(), paused: Pause.nullable() });

/** A release without a deploy. The digest identifies the code; an image may include it (`ref@sha256:…`). */
const ReleaseRequest = z.strictObject({
  runtime: z.enum(runtimes).optional(),
  image: z.string().min(1).max(1_000).optional(),
  digest: Digest.optional(),
  command: Command.optional(),
  config: Config.optional(),
  /** Keys of the config with their new values; the other keys stay as they are in `config`, else in the live release. */
  set: Config.optional(),
  limits: LimitsUpdate.optional(),
  /** If left out, that of the live release, provided the code is the same. */
  source_ref: z.string().min(1).max(1_000).optional(),
  /** Whether the new release becomes live. */
  live: z.boolean().default(true),
  reason: reason.optional(),
  ...expected,
});

/**
 * A move of the live pointer; `changed` is false if that release was already live. `still_running` and `claimed_again`
 * are about the release that the move leaves; without a move, about every release that is not live.
 */
const PointerMove = z.object({
  hook_name: z.string(),
  changed: z.boolean(),
  from_version: z.int().nullable(),
  live_version: z.int(),
  live_seq: z.int(),
  live_release_id: z.string(),
  reason: z.string().nullable(),
  at: time,
  still_running: z.array(ClaimedBatches).default([]),
  /** Batches that were ended; their records are in new batches, which take the live release. */
  claimed_again: z.array(ClaimedBatches).default([]),
  /** The recompute that `heal` began. */
  recompute: Recompute.nullable().default(null),
});

/** Ends the batches that run under the release that is left; others take their records up again. */
const cancelRunning = { cancel_running: z.boolean().optional() };

/** Whether the rows of the release that is left are computed again, in the same transaction. */
const heal = { heal: z.boolean().optional() };

const LiveChange = z.object({
  seq: z.int(),
  from_version: z.int().nullable(),
  to_version: z.int(),
  kind: z.enum(['release', 'rollback', 'activate']),
  reason: z.string().nullable(),
  actor: Actor,
  at: time,
});

export const hooksRoutes = {
  listHooks: route({
    method: 'GET',
    path: '/api/v1/hooks',
    summary: 'List hooks by name, with their live release',
    gate: read,
    query: wholePage,
    status: 200,
    response: z.object({ items: z.array(HookSummary), ...nextPage }),
  }),
  showHook: route({
    method: 'GET',
    path: '/api/v1/hooks/:name',
    summary: 'Show one hook; the ETag is the sequence number of its last live change',
    gate: read,
    params: hookParams,
    status: 200,
    response: HookSummary.extend({
      live_seq: z.int().nullable(),
      live: ReleaseDetail.nullable(),
      /** The default target of a rollback; null if there is none. */
      rollback_to: z.int().nullable(),
      /** Unfinished batches by the release that they were claimed under. */
      claimed: z.array(z.object({ version: z.int(), batches: z.int() })).default([]),
    }),
    etag: 'The sequence number of the last live change',
  }),
  listReleases: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/releases',
    summary: 'List the releases of a hook, newest first',
    gate: read,
    params: hookParams,
    query: page,
    status: 200,
    response: z.object({
      hook_name: z.string(),
      live_version: z.int().nullable(),
      releases: z.array(ReleaseSummary),
      next_cursor: z.string().nullable(),
    }),
  }),
  showRelease: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/releases/:version',
    summary: 'Show one release',
    gate: read,
    params: hookParams.extend({
      version: versionText,
    }),
    status: 200,
    response: ReleaseDetail.extend({
      live: z.boolean(),
      /** Rows that all its runs have computed. */
      rows: z.int(),
    }),
  }),
  releaseCode: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/releases/:version/code',
    summary: 'The packed directory that a release runs, as it was uploaded',
    gate: scope('runs:read', 'name'),
    params: hookParams.extend({ version: versionText }),
    status: 200,
    response: 'archive',
  }),
  history: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/history',
    summary:
      'List the moves of the live pointer, newest first; with `at`, the first item shows what was live then',
    gate: read,
    params: hookParams,
    query: page.extend({ at: givenTime.optional() }),
    status: 200,
    response: z.object({
      hook_name: z.string(),
      changes: z.array(LiveChange),
      next_cursor: z.string().nullable(),
    }),
  }),
  currentRows: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/rows',
    summary: 'Count the current rows of a hook by schema version and release',
    gate: read,
    params: hookParams,
    status: 200,
    response: z.object({
      hook_name: z.string(),
      /** Newest release first. */
      items: z.array(
        z.object({
          schema_id: SchemaRef,
          version: z.int(),
          rows: z.int(),
        }),
      ),
    }),
  }),
  release: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/releases',
    summary: 'Mint a release of a hook, or find the known one that agrees with every part that is given',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: ReleaseRequest,
    status: 200,
    createdStatus: 201,
    response: z.object({
      hook_name: z.string(),
      version: z.int(),
      id: z.string(),
      digest: z.string(),
      source_ref: z.string(),
      built_at: time,
      /** False if this release already existed. */
      created: z.boolean(),
      live: z.boolean(),
      is_live: z.boolean(),
      live_version: z.int().nullable(),
      live_seq: z.int().nullable(),
    }),
    idempotent: true,
  }),
  activate: route({
    method: 'PUT',
    path: '/api/v1/hooks/:name/live',
    summary: 'Make a release of a hook live; If-Match takes the ETag of the hook',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({
      version: ReleaseVersion,
      reason: reason.optional(),
      ...cancelRunning,
      ...heal,
      ...expected,
    }),
    status: 200,
    response: PointerMove,
    idempotent: true,
  }),
  rollback: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/rollback',
    summary: 'Move the live pointer back; If-Match takes the ETag of the hook',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({
      /** The version to return to. By default: the one that was live before the current one was introduced. */
      to: ReleaseVersion.optional(),
      reason: reason.optional(),
      ...cancelRunning,
      ...heal,
      ...expected,
    }),
    status: 200,
    response: PointerMove,
    idempotent: true,
  }),
  pauseHook: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/pause',
    summary: 'Pause a hook: no further batch that needs it is claimed; running batches finish',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({ reason: reason.optional() }),
    status: 200,
    response: HookPause,
    idempotent: true,
  }),
  resumeHook: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/resume',
    summary: 'End the pause of a hook',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({}),
    status: 200,
    response: HookPause,
    idempotent: true,
  }),
};
