import { z } from 'zod';
import type { ScopeVerb } from './auth/scope.ts';
import { DeployRequest } from './convention/convention.ts';
import { FeatureContract } from './hook/hook.ts';
import { Command, Config, Digest, Limits, LimitsUpdate, ReleaseVersion, runtimes } from './hook/release.ts';
import { bounds } from './limits.ts';
import { FieldDefinition } from './record/schema.ts';

/**
 * The wire contract, once: the daemon's routes, the client's types and the OpenAPI document all come from here.
 * Times are RFC 3339 in UTC; ids of rows are decimal integers; every refusal is an RFC 9457 problem.
 */

/**
 * Who may call a route. `public` is open to everybody; `read` is open unless the daemon says
 * `reads: authenticated`; `authenticated` takes any token that is accepted; a scope needs one that grants it on the
 * resource named by a path parameter. Without one it must grant the verb, or the other one, on some resource; the use
 * case asks for more, once it knows on which.
 */
export type Gate =
  | { readonly kind: 'public' }
  | { readonly kind: 'read' }
  | { readonly kind: 'authenticated' }
  | {
      readonly kind: 'scope';
      readonly verb: ScopeVerb;
      readonly orVerb?: ScopeVerb;
      readonly resourceParam?: string;
    };

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  readonly gate: Gate;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** A JSON body by its shape, or the media type of a streamed one. */
  readonly body?: z.ZodType | 'application/x-ndjson' | 'application/octet-stream';
  /** The status of success and the shape of its body; `text` is a body that is not JSON. */
  readonly status: 200 | 201;
  /** A second status of success: 201 where the answer says `created: true`. */
  readonly createdStatus?: 201;
  readonly response: z.ZodType | 'text';
  /** What the ETag of the answer stands for, where it has one. */
  readonly etag?: string;
  /** A status that is no success and comes with the same body, which says what is wrong; and what it means. */
  readonly troubleStatus?: readonly [503, string];
  /** Writes take an `Idempotency-Key`. */
  readonly idempotent?: true;
}

/** A whole number as it stands in a path or a query. */
const wholeText = (least: number, most: number) => {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z.coerce.number(rule).int(rule).min(least, rule).max(most, rule);
};
const uuid = z.uuid('must be a UUID, such as 01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80');
const time = z.iso.datetime();
const rowId = z.int().min(1);
const cursor = z.string().max(1_000).optional();
const limit = wholeText(1, bounds.pageRows).default(bounds.defaultPageRows);
const page = z.object({ cursor, limit });
/** Of a list that most read whole. */
const wholePage = z.object({ cursor, limit: limit.default(bounds.pageRows) });
/** Clients of the existing archive ask for more than there may be, and get what there may be. */
const dataPage = z.object({
  cursor,
  limit: z.coerce
    .number()
    .int()
    .transform((rows) => Math.min(Math.max(rows, 1), bounds.pageRows))
    .default(bounds.defaultPageRows),
});
const hookParams = z.object({ name: z.string().max(200) });
/** A release's version in a path or a query. */
const versionText = wholeText(1, bounds.releaseVersion);
const idParams = z.object({ id: uuid });
const blobParams = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits'),
});
/** Where the caller saw the live pointer; 412 if it has moved since. The header If-Match says the first too. */
const expected = {
  expected_live_seq: z.int().min(1).max(bounds.liveSeq).optional(),
  expected_live_version: z.int().min(1).max(bounds.releaseVersion).optional(),
};
const reason = z.string().min(1).max(bounds.reasonLength);
const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');
/** `activate`: make the declared releases live also where they are known and another one is. */
const deployOptions = z.object({ activate: flag });

const Actor = z.object({ issuer: z.string(), subject: z.string() });
const SchemaRef = z.object({ id: z.string(), version: z.string() });
const Difference = z.object({ path: z.string(), from: z.unknown(), to: z.unknown() });

const ReleaseSummary = z.object({
  version: z.int(),
  is_live: z.boolean(),
  runtime: z.enum(runtimes),
  image: z.string().nullable(),
  digest: z.string(),
  source_ref: z.string(),
  built_by: z.string(),
  built_at: time,
});

/** `config` may hold secrets: without `runs:read` it is null, and its digest is all that is shown. */
const ReleaseDetail = ReleaseSummary.extend({
  id: z.string(),
  hook_name: z.string(),
  command: z.array(z.string()).nullable(),
  config: Config.nullable(),
  config_digest: Digest,
  limits: Limits,
});

/** Who has paused what, when and why. */
const Pause = z.object({ at: time, reason: z.string().nullable(), by: Actor });

const HookSummary = z.object({
  name: z.string(),
  owner: z.string(),
  feature: FeatureContract,
  release_count: z.int(),
  live_release: z
    .object({ version: z.int(), digest: z.string(), source_ref: z.string(), built_at: time })
    .nullable(),
  /** While it is paused, no batch is claimed that it would run over. */
  paused: Pause.nullable(),
});

/** Whether a hook is paused; `changed` is false when it was so before. */
const HookPause = z.object({ hook_name: z.string(), changed: z.boolean(), paused: Pause.nullable() });

/** A release as it is minted without a deploy. The digest says which code; an image may carry it (`ref@sha256:…`). */
const ReleaseRequest = z.strictObject({
  runtime: z.enum(runtimes).optional(),
  image: z.string().min(1).max(1_000).optional(),
  digest: Digest.optional(),
  command: Command.optional(),
  config: Config.optional(),
  limits: LimitsUpdate.optional(),
  /** Carried over from the live release with its code only: other code comes from somewhere else. */
  source_ref: z.string().min(1).max(1_000).optional(),
  /** Whether the new release becomes the live one. */
  live: z.boolean().default(true),
  reason: reason.optional(),
  ...expected,
});

/** A move of the live pointer; `changed` is false when it stood there already. */
const PointerMove = z.object({
  hook_name: z.string(),
  changed: z.boolean(),
  from_version: z.int().nullable(),
  live_version: z.int(),
  live_seq: z.int(),
  live_release_id: z.string(),
  reason: z.string().nullable(),
  at: time,
});

const LiveChange = z.object({
  seq: z.int(),
  from_version: z.int().nullable(),
  to_version: z.int(),
  kind: z.enum(['release', 'rollback', 'activate']),
  reason: z.string().nullable(),
  actor: Actor,
  at: time,
});

const HookChange = z.object({
  name: z.string(),
  owner: z.string(),
  hook: z.enum(['created', 'unchanged', 'refused']),
  /** What makes the declared contract another one, where it is refused. */
  differences: z.array(Difference),
  release: z.enum(['created', 'known']),
  version: z.int(),
  is_live: z.boolean(),
  live_version: z.int().nullable(),
  /** Whether the deploy makes a known release live, as it was asked to. */
  activated: z.boolean(),
});

/** What a deploy changed or would change, part by part. */
export const DeployChanges = z.object({
  convention: z.enum(['created', 'updated', 'unchanged']),
  convention_fields: z.array(Difference),
  schema: z.enum(['created', 'unchanged', 'refused']),
  schema_differences: z.array(Difference),
  hooks: z.array(HookChange),
  removed_hooks: z.array(z.string()),
  ingester: z.enum(['none', 'stored, not run']),
});

const DeployPlan = z.object({
  slug: z.string(),
  /** Whether a deploy would change anything. */
  changed: z.boolean(),
  /** Whether a deploy would be refused, and why. */
  refused: z.boolean(),
  reasons: z.array(z.string()),
  changes: DeployChanges,
});

const DeployAnswer = z.object({
  slug: z.string(),
  title: z.string(),
  description: z.string(),
  schema_id: SchemaRef,
  hooks: z.array(z.string()),
  created_at: time,
  deploy_id: z.string(),
  changed: z.boolean(),
  changes: DeployChanges,
});

const DeploySummary = z.object({
  id: z.string(),
  slug: z.string(),
  manifest_digest: Digest,
  changed: z.boolean(),
  changes: DeployChanges,
  /** Where the declaration and what its hooks and ingester run come from, each place once. */
  source_refs: z.array(z.string()),
  actor: Actor,
  at: time,
});

const ConventionDetail = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  schema_id: SchemaRef,
  fields: z.array(FieldDefinition),
  file_requirements: z.record(z.string(), z.unknown()),
  hooks: z.array(z.string()),
  ingester: z.record(z.string(), z.unknown()).nullable(),
  docs: z.record(z.string(), z.unknown()).nullable(),
  created_at: time,
});

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

const Attempt = z.object({
  n: z.int(),
  runner: z.string(),
  memory_bytes: z.int(),
  outcome: z.string().nullable(),
  exit_code: z.int().nullable(),
  exit_signal: z.string().nullable(),
  detail: z.string().nullable(),
  resolved_digest: z.string().nullable(),
  /** Of the one platform that ran, where the release's digest is that of an index. */
  platform_digest: z.string().nullable(),
  started_at: time,
  finished_at: time.nullable(),
});

/** A run as lists show it; `status` is null while it is going or waits. */
const RunSummary = z.object({
  id: z.string(),
  hook_name: z.string(),
  version: z.int(),
  release_id: z.string(),
  status: z.enum(['passed', 'failed', 'error']).nullable(),
  reason: z.string().nullable(),
  batch: z.string(),
  ingestion: z.string(),
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
  attempts: z.array(Attempt.extend({ log_bytes: z.int().nullable() })),
});

const TracedRecord = z.object({
  srn: z.string(),
  version: z.int(),
  newest_version: z.int(),
  convention: z.string(),
  schema_id: SchemaRef,
  source_id: z.string(),
  ingestion: z.string(),
  line: z.int(),
  published_at: time,
  metadata: z.record(z.string(), z.unknown()),
});

const TracedRun = z.object({
  id: z.string(),
  batch: z.string(),
  status: z.string().nullable(),
  started_at: time.nullable(),
  finished_at: time.nullable(),
  snapshot_at: time.nullable(),
  row_count: z.int().nullable(),
  input_digest: Digest.nullable(),
  output_digest: Digest.nullable(),
  /** Attempts that ran out of memory and were followed by one with more. */
  oom_retries: z.int(),
  attempts: z.array(Attempt),
});

/** A row's story: row → record → run → release → hook. */
const RowTrace = z.object({
  row: z.object({
    name: z.string(),
    id: rowId,
    ordinal: z.int(),
    /** False when a newer computation has taken the row's place. */
    current: z.boolean(),
    values: z.record(z.string(), z.unknown()),
  }),
  record: TracedRecord,
  run: TracedRun,
  release: ReleaseDetail.extend({
    live_version: z.int().nullable(),
    /** The live change that first made this release live; null when none has. */
    introduced_by: z.object({ kind: z.string(), actor: Actor, at: time }).nullable(),
  }),
  hook: z.object({ name: z.string(), owner: z.string(), feature: FeatureContract }),
});

const RecordTrace = z.object({
  record: TracedRecord,
  /** All that there are; the first ones are told of. */
  row_count: z.int(),
  rows: z.array(
    z.object({
      name: z.string(),
      hook: z.string(),
      id: rowId,
      ordinal: z.int(),
      current: z.boolean(),
      run_id: z.string(),
      release: z.int(),
      digest: z.string(),
      values: z.record(z.string(), z.unknown()),
    }),
  ),
});

const nextPage = { next_cursor: z.string().nullable(), has_more: z.boolean() };
const table = <T extends z.ZodType>(row: T) => z.object({ rows: z.array(row), ...nextPage });

const scope = (verb: ScopeVerb, resourceParam?: string): Gate =>
  resourceParam === undefined ? { kind: 'scope', verb } : { kind: 'scope', verb, resourceParam };
/** The code of hooks: it comes with a deploy, or with a release without one. */
const hookCode: Gate = { kind: 'scope', verb: 'conventions:write', orVerb: 'hooks:write' };
const read: Gate = { kind: 'read' };
const open: Gate = { kind: 'public' };
const anybody: Gate = { kind: 'authenticated' };

/** Checks names and completeness of one entry without widening its type. */
const route = <const T extends Route>(definition: T): T => definition;

export const routes = {
  health: route({
    method: 'GET',
    path: '/health',
    summary: 'Whether the process is up',
    gate: open,
    status: 200,
    response: z.object({ status: z.literal('ok'), version: z.string() }),
  }),
  ready: route({
    method: 'GET',
    path: '/ready',
    summary: 'Whether it can do its work; 503 when it cannot',
    gate: open,
    status: 200,
    troubleStatus: [503, 'Not ready'],
    response: z.object({
      status: z.enum(['ready', 'degraded']),
      version: z.string(),
      components: z.record(
        z.string(),
        z.object({ status: z.enum(['ok', 'error', 'unchecked']), detail: z.string().nullable() }),
      ),
    }),
  }),
  metrics: route({
    method: 'GET',
    path: '/metrics',
    summary: 'Prometheus metrics',
    gate: open,
    status: 200,
    response: 'text',
  }),
  openapi: route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    gate: open,
    status: 200,
    response: z.looseObject({ openapi: z.string() }),
  }),

  deploy: route({
    method: 'POST',
    path: '/api/v1/conventions',
    summary: 'Deploy a convention: schema, hooks, releases and convention in one step',
    gate: scope('conventions:write'),
    query: deployOptions,
    body: DeployRequest,
    status: 201,
    response: DeployAnswer,
    idempotent: true,
  }),
  planDeploy: route({
    method: 'POST',
    path: '/api/v1/conventions/plan',
    summary: 'What a deploy of this body would change, without changing anything',
    gate: scope('conventions:write'),
    query: deployOptions,
    body: DeployRequest,
    status: 200,
    response: DeployPlan,
  }),
  listDeploys: route({
    method: 'GET',
    path: '/api/v1/deploys',
    summary: 'What was deployed, newest first: by whom, from which code, with what changes',
    gate: read,
    query: page.extend({ convention: z.string().max(200).optional() }),
    status: 200,
    response: z.object({ items: z.array(DeploySummary), next_cursor: z.string().nullable() }),
  }),
  showDeploy: route({
    method: 'GET',
    path: '/api/v1/deploys/:id',
    summary: 'One deploy; what was sent is shown to who may read all runs',
    gate: read,
    params: idParams,
    status: 200,
    response: DeploySummary.extend({ manifest: z.record(z.string(), z.unknown()).nullable() }),
  }),
  listConventions: route({
    method: 'GET',
    path: '/api/v1/conventions',
    summary: 'Conventions, newest first',
    gate: read,
    query: wholePage,
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          id: z.string(),
          title: z.string(),
          description: z.string(),
          schema_id: SchemaRef,
          created_at: time,
        }),
      ),
      ...nextPage,
    }),
  }),
  showConvention: route({
    method: 'GET',
    path: '/api/v1/conventions/:slug',
    summary: 'One convention',
    gate: read,
    params: z.object({ slug: z.string().max(200) }),
    status: 200,
    response: ConventionDetail,
  }),
  putBlob: route({
    method: 'PUT',
    path: '/api/v1/blobs/:sha256',
    summary: 'Store a packed hook directory under its SHA-256',
    gate: hookCode,
    params: blobParams,
    body: 'application/octet-stream',
    status: 200,
    response: z.object({ sha256: z.string(), size: z.int() }),
  }),
  findBlob: route({
    method: 'GET',
    path: '/api/v1/blobs/:sha256',
    summary: 'Whether a blob is stored, and its size',
    gate: hookCode,
    params: blobParams,
    status: 200,
    response: z.object({ sha256: z.string(), size: z.int() }),
  }),

  listHooks: route({
    method: 'GET',
    path: '/api/v1/hooks',
    summary: 'Hooks by name, with their live release',
    gate: read,
    query: wholePage,
    status: 200,
    response: z.object({ items: z.array(HookSummary), ...nextPage }),
  }),
  showHook: route({
    method: 'GET',
    path: '/api/v1/hooks/:name',
    summary: 'One hook; the ETag is the sequence number of its last live change',
    gate: read,
    params: hookParams,
    status: 200,
    response: HookSummary.extend({
      live_seq: z.int().nullable(),
      live: ReleaseDetail.nullable(),
      /** The version that a rollback goes back to unless told otherwise; null where there is none. */
      rollback_to: z.int().nullable(),
    }),
    etag: 'The sequence number of the last live change',
  }),
  listReleases: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/releases',
    summary: 'The releases of a hook, newest first',
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
    summary: 'One release',
    gate: read,
    params: hookParams.extend({
      version: versionText,
    }),
    status: 200,
    response: ReleaseDetail.extend({
      live: z.boolean(),
      /** Rows that it has computed, over all runs. */
      rows: z.int(),
    }),
  }),
  history: route({
    method: 'GET',
    path: '/api/v1/hooks/:name/history',
    summary: 'The moves of the live pointer, newest first; the first one until `at` says what was live then',
    gate: read,
    params: hookParams,
    query: page.extend({ at: z.iso.datetime({ offset: true }).optional() }),
    status: 200,
    response: z.object({
      hook_name: z.string(),
      changes: z.array(LiveChange),
      next_cursor: z.string().nullable(),
    }),
  }),
  release: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/releases',
    summary: 'Mint a release of a hook; what is left out is carried over from the live release',
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
      /** False when this very release was there already. */
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
    summary: 'Make any release of a hook the live one; If-Match takes the ETag of the hook',
    gate: scope('hooks:write', 'name'),
    params: hookParams,
    body: z.strictObject({ version: ReleaseVersion, reason: reason.optional(), ...expected }),
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
      /** The version to go back to; without it, the one that was live before the present one was introduced. */
      to: ReleaseVersion.optional(),
      reason: reason.optional(),
      ...expected,
    }),
    status: 200,
    response: PointerMove,
    idempotent: true,
  }),
  pauseHook: route({
    method: 'POST',
    path: '/api/v1/hooks/:name/pause',
    summary: 'Claim no more batches that a hook would run over; those that run end',
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

  listRuns: route({
    method: 'GET',
    path: '/api/v1/hooks/runs',
    summary: 'Runs of hooks, newest first',
    gate: scope('runs:read'),
    query: page.extend({
      hook: z.string().max(200).optional(),
      status: z.enum(['passed', 'failed', 'error', 'open']).optional(),
      release: versionText.optional(),
      ingestion: uuid.optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(RunSummary), next_cursor: z.string().nullable() }),
  }),
  showRun: route({
    method: 'GET',
    path: '/api/v1/hooks/runs/:id',
    summary: 'One run: its release, its records and each attempt',
    gate: scope('runs:read'),
    params: idParams,
    status: 200,
    response: RunDetail,
  }),
  runLogs: route({
    method: 'GET',
    path: '/api/v1/hooks/runs/:id/logs',
    summary:
      'What the code of a run said on stdout and stderr: the start and the end of it; of the last attempt, or another',
    gate: scope('runs:read'),
    params: idParams,
    query: z.object({ attempt: wholeText(1, 1_000_000).optional() }),
    status: 200,
    response: 'text',
  }),
  followRun: route({
    method: 'GET',
    path: '/api/v1/hooks/runs/:id/tail',
    summary: 'What an attempt has said since: for who follows a run that is going',
    gate: scope('runs:read'),
    params: idParams,
    query: z.object({
      attempt: wholeText(1, 1_000_000).default(1),
      /** Bytes of its log that the caller has. */
      after: wholeText(0, Number.MAX_SAFE_INTEGER).default(0),
    }),
    status: 200,
    response: z.object({
      attempt: z.int(),
      /** What is new, as far as it is kept: base64, since it may be anything. */
      log: z.string(),
      /** Bytes between what the caller has and `log` that are not kept. */
      skipped: z.int(),
      /** To be given as `after`. */
      bytes: z.int(),
      /** How the attempt ended; null while it is going, or was not started yet. */
      outcome: z.string().nullable(),
      /** Of the run; null while it is going. */
      status: z.enum(['passed', 'failed', 'error']).nullable(),
      /** Attempts that were started. */
      attempt_count: z.int(),
    }),
  }),

  whoami: route({
    method: 'GET',
    path: '/api/v1/auth/me',
    summary: 'Who the token says that you are, and what it grants',
    gate: anybody,
    status: 200,
    response: z.object({
      /** Of an actor: a person's own, a machine's from its issuer and subject. */
      id: z.string(),
      kind: z.enum(['machine', 'person']),
      issuer: z.string(),
      subject: z.string(),
      scopes: z.array(z.string()),
      /** A person's, in lower case. */
      roles: z.array(z.string()),
      expires_at: time,
      /** As clients of the existing archive read them. */
      display_name: z.string(),
      provider: z.string(),
      external_id: z.string(),
    }),
  }),
  listIssuers: route({
    method: 'GET',
    path: '/api/v1/auth/issuers',
    summary: 'Whose machine tokens are accepted, with which keys, and what time it is here',
    gate: open,
    status: 200,
    response: z.object({
      now: time,
      clock_skew_seconds: z.int(),
      max_token_seconds: z.int(),
      issuers: z.array(
        z.object({
          issuer: z.string(),
          audience: z.string(),
          scope_claim: z.string(),
          keys: z.array(z.object({ kid: z.string(), thumbprint: z.string() })),
          /** What its tokens may carry at most; null for no bound. */
          scopes: z.array(z.string()).nullable(),
        }),
      ),
    }),
  }),

  readRecords: route({
    method: 'GET',
    path: '/api/v1/data/:schema/records',
    summary: 'Published records of a schema (`id` or `id@version`), newest first',
    gate: read,
    params: z.object({ schema: z.string().max(200) }),
    query: dataPage.extend({ history: flag }),
    status: 200,
    response: table(
      z.looseObject({
        id: z.string(),
        srn: z.string(),
        schema_id: z.string(),
        version: z.int(),
        created_at: time,
      }),
    ),
  }),
  readRows: route({
    method: 'GET',
    path: '/api/v1/data/:schema/:feature',
    summary: 'Rows of a feature over the published records of a schema, by id',
    gate: read,
    params: z.object({ schema: z.string().max(200), feature: z.string().max(200) }),
    query: dataPage.extend({
      history: flag,
      release: versionText.optional(),
    }),
    status: 200,
    response: table(
      z.looseObject({
        id: rowId,
        record_srn: z.string(),
        run_id: z.string(),
        release: z.int(),
        created_at: time.nullable(),
      }),
    ),
  }),

  traceRow: route({
    method: 'GET',
    path: '/api/v1/trace/rows/:hook/:id',
    summary: 'The story of one row: which code made it, from which record',
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
    summary: `The rows of one published record, each with its release; the first ${bounds.tracedRows} of them`,
    gate: read,
    params: z.object({ srn: z.string().max(400) }),
    status: 200,
    response: RecordTrace,
  }),
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
type Shape<T> = T extends z.ZodType ? z.output<T> : T extends 'text' ? string : undefined;
type Sent<T> = T extends z.ZodType ? z.input<T> : undefined;

/** What a route answers, by name: `Answer<'rollback'>`. */
export type Answer<N extends RouteName> = Shape<(typeof routes)[N]['response']>;
/** The JSON body that a caller sends; undefined where there is none. */
export type Body<N extends RouteName> = (typeof routes)[N] extends { body: infer B } ? Sent<B> : undefined;
/** A JSON body as a route's handler sees it, with defaults filled in. */
export type ParsedBody<N extends RouteName> = (typeof routes)[N] extends { body: infer B }
  ? Shape<B>
  : undefined;
export type Params<N extends RouteName> = (typeof routes)[N] extends { params: infer P }
  ? Sent<P>
  : undefined;
export type ParsedParams<N extends RouteName> = (typeof routes)[N] extends { params: infer P }
  ? Shape<P>
  : undefined;
export type Query<N extends RouteName> = (typeof routes)[N] extends { query: infer Q } ? Sent<Q> : undefined;
export type ParsedQuery<N extends RouteName> = (typeof routes)[N] extends { query: infer Q }
  ? Shape<Q>
  : undefined;

/** The body of every refusal (RFC 9457), with the members that clients of the existing archive read. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  message: z.string(),
  field: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof Problem>;
