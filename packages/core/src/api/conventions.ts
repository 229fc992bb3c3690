import { z } from 'zod';
import { DeployRequest } from '../convention/convention.ts';
import { Digest } from '../hook/release.ts';
import { FieldDefinition } from '../record/schema.ts';
import { Actor, ClaimedBatches, Difference, flag, idParams, SchemaRef, time, Unstartable } from './fields.ts';
import { nextPage, page, wholePage } from './paging.ts';
import { DeployComparison, DeployHold } from './recompute/comparisons.ts';
import { Job } from './releases.ts';
import { read, route, scope } from './route.ts';

/**
 * The body of a deploy. With `compare`, new releases of hooks that have a live one are held until they are compared.
 */
const DeployBody = DeployRequest.extend({ compare: DeployComparison.optional() });

/** `activate` also makes a declared release live if it is known and another one is live. */
const deployOptions = z.object({ activate: flag });

const HookChange = z.object({
  name: z.string(),
  owner: z.string(),
  hook: z.enum(['created', 'unchanged', 'refused']),
  /**
   * If the contract is refused: how it differs from the stored one. Otherwise: how the declared release differs from the
   * live one, the config by key for callers with `runs:read`.
   */
  differences: z.array(Difference),
  release: z.enum(['created', 'known']),
  version: z.int(),
  is_live: z.boolean(),
  live_version: z.int().nullable(),
  /** Whether `activate` made a known release live. */
  activated: z.boolean(),
  /** Set where the release is not live before it is compared. */
  held: z.literal(true).optional(),
});

/** The changes of a deploy, made or planned, part by part. */
export const DeployChanges = z.object({
  convention: z.enum(['created', 'updated', 'unchanged']),
  convention_fields: z.array(Difference),
  /** The convention that the schema id belongs to. Only its deploys add versions, and those with `schemas:write`. */
  schema_owner: z.string().optional(),
  schema: z.enum(['created', 'unchanged', 'refused']),
  schema_differences: z.array(Difference),
  hooks: z.array(HookChange),
  removed_hooks: z.array(z.string()),
  ingester: z.enum(['none', 'stored, not run']),
});

/** Facts that the deployer should know and that refuse nothing. */
const warnings = z.array(z.string()).default([]);

const DeployPlan = z.object({
  slug: z.string(),
  /** Whether a deploy would change anything. */
  changed: z.boolean(),
  /** Whether a deploy would be refused; `reasons` says why. */
  refused: z.boolean(),
  reasons: z.array(z.string()),
  changes: DeployChanges,
  warnings,
  /** Holds a deploy to this plan: it takes `digest` as `expected_plan`. Null for a plan that is refused. */
  reviewed: z
    .object({
      archive: z.string(),
      manifest_digest: Digest,
      /** How it compares the releases that it holds. */
      compare: DeployComparison.optional(),
      digest: Digest,
    })
    .nullable()
    .default(null),
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
  /** Live releases of the convention that no running worker can start; null when all can be started. */
  unstartable: Unstartable,
  warnings,
  /** The releases that are held; once they are compared, `activateDeploy` makes them live. */
  holds: z.array(DeployHold).default([]),
  /** Unfinished batches that keep a release which this deploy left. */
  still_running: z.array(ClaimedBatches.extend({ hook: z.string() })).default([]),
});

export const DeploySummary = z.object({
  id: z.string(),
  slug: z.string(),
  manifest_digest: Digest,
  changed: z.boolean(),
  changes: DeployChanges,
  /** The distinct sources of the declaration, and of the code of its hooks and ingester. */
  source_refs: z.array(z.string()),
  actor: Actor,
  /** The facts that the provider of a CI signed about the job that deployed; null without. */
  job: Job.nullable().default(null),
  /** The releases that it held until they were compared. */
  holds: z.array(DeployHold).default([]),
  at: time,
});

const ConventionDetail = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  /** An identifier of SPDX, or an address; null where the convention declares none. */
  license: z.string().nullable().default(null),
  schema_id: SchemaRef,
  fields: z.array(FieldDefinition),
  /** Whether text fields without a rule take any JSON value, and date fields times without an offset. */
  open_text: z.boolean().default(false),
  file_requirements: z.record(z.string(), z.unknown()),
  /** Whether depositions are published once their hooks have passed them, or by a reviewer. */
  curation: z.enum(['auto', 'manual']).default('auto'),
  /** Whether reviewers may approve their own depositions. */
  approve_own: z.boolean().default(false),
  hooks: z.array(z.string()),
  ingester: z.record(z.string(), z.unknown()).nullable(),
  docs: z.record(z.string(), z.unknown()).nullable(),
  created_at: time,
});

export const conventionsRoutes = {
  deploy: route({
    method: 'POST',
    path: '/api/v1/conventions',
    summary: 'Deploy a convention: schema, hooks, releases and convention in one step',
    gate: scope('conventions:write'),
    query: deployOptions.extend({
      /** The digest of a plan that was reviewed; 409 with the changes when the deploy would do something else. */
      expected_plan: Digest.optional(),
    }),
    body: DeployBody,
    status: 201,
    response: DeployAnswer,
    idempotent: true,
  }),
  planDeploy: route({
    method: 'POST',
    path: '/api/v1/conventions/plan',
    summary: 'Show the changes that a deploy of this body would make; changes nothing',
    gate: scope('conventions:write'),
    query: deployOptions,
    body: DeployBody,
    status: 200,
    response: DeployPlan,
  }),
  activateDeploy: route({
    method: 'POST',
    path: '/api/v1/deploys/:id/activation',
    summary:
      'Make the releases that a deploy holds live: all of them, if each was compared within its limit and no pointer has moved',
    gate: scope('conventions:write'),
    params: idParams,
    status: 200,
    response: z.object({
      deploy_id: z.string(),
      slug: z.string(),
      /** False if they were live already. */
      changed: z.boolean(),
      holds: z.array(DeployHold),
      /** Unfinished batches that keep a release which this left. */
      still_running: z.array(ClaimedBatches.extend({ hook: z.string() })),
    }),
    idempotent: true,
  }),
  listDeploys: route({
    method: 'GET',
    path: '/api/v1/deploys',
    summary: 'List deploys, newest first: who deployed, from which source, and what changed',
    gate: read,
    query: page.extend({ convention: z.string().max(200).optional() }),
    status: 200,
    response: z.object({ items: z.array(DeploySummary), next_cursor: z.string().nullable() }),
  }),
  showDeploy: route({
    method: 'GET',
    path: '/api/v1/deploys/:id',
    summary: 'Show one deploy; the body that was sent is included for callers with `runs:read`',
    gate: read,
    params: idParams,
    status: 200,
    response: DeploySummary.extend({ manifest: z.record(z.string(), z.unknown()).nullable() }),
  }),
  listConventions: route({
    method: 'GET',
    path: '/api/v1/conventions',
    summary: 'List conventions, newest first',
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
    summary: 'Show one convention',
    gate: read,
    params: z.object({ slug: z.string().max(200) }),
    status: 200,
    response: ConventionDetail,
  }),
};
