import { z } from 'zod';
import { bounds } from '../limits.ts';
import { Actor, reason, time, uuid } from './fields.ts';
import { page } from './paging.ts';
import { type Gate, route, scope } from './route.ts';

export const DepositionStatus = z.enum(['draft', 'in_validation', 'in_review', 'accepted', 'deleted']);

/** Why a submission came back: what a hook said of the record, or a reviewer. */
const Reason = z.object({
  /** The hook that said it; null where a reviewer or the archive did. */
  hook: z.string().nullable(),
  version: z.int().nullable(),
  /** The field of the metadata that the reason begins with, where it names one. */
  field: z.string().nullable(),
  /** `rejected`: the deposition must change. `errored`: it may pass as it is when it is submitted again. */
  status: z.enum(['rejected', 'errored']),
  reason: z.string(),
});

const Review = z.object({
  decision: z.enum(['approved', 'rejected']),
  reason: z.string().nullable(),
  actor: Actor,
  at: time,
});

const SubmittedRun = z.object({
  id: z.string(),
  hook: z.string(),
  version: z.int(),
  /** The run's result for the record; null while it is going, or waits for the review. */
  outcome: z.enum(['passed', 'rejected', 'errored']).nullable(),
});

export const SubmissionState = z.enum([
  'in_validation',
  'in_review',
  'accepted',
  'rejected',
  'errored',
  'withdrawn',
  'ended',
]);

const Submission = z.object({
  ingestion: z.string(),
  status: SubmissionState,
  submitted_at: time,
  finished_at: time.nullable(),
  runs: z.array(SubmittedRun),
  /** Why the batch waits, or what made it come back. */
  waits: z.string().nullable(),
  reasons: z.array(Reason),
  review: Review.nullable(),
  /** The operator who ended it on behalf of its owner, and the reason. */
  ended: z.object({ reason: z.string(), actor: Actor, at: time }).nullable().default(null),
});

export const Deposition = z.object({
  id: z.string(),
  srn: z.string(),
  convention_id: z.string(),
  status: DepositionStatus,
  metadata: z.record(z.string(), z.unknown()),
  files: z.array(z.object({ name: z.string(), size: z.int(), sha256: z.string() })),
  /** The published record; null before. */
  record_srn: z.string().nullable(),
  /** Its ETag: it grows with each change. */
  revision: z.int(),
  owner: Actor,
  /** When its owner deleted it; its metadata and files are gone then. */
  deleted_at: time.nullable().default(null),
  created_at: time,
  updated_at: time,
  /** The newest first; twenty at most. */
  submissions: z.array(Submission),
});

const DepositionItem = Deposition.pick({
  id: true,
  srn: true,
  convention_id: true,
  status: true,
  record_srn: true,
  revision: true,
  owner: true,
  deleted_at: true,
  created_at: true,
  updated_at: true,
}).extend({ file_count: z.int() });

/** A UUID, or the whole name `urn:osa:<domain>:dep:<uuid>`. */
const id = z
  .string()
  .max(400)
  .transform((text) =>
    text
      .trim()
      .toLowerCase()
      .replace(/^urn:osa:[a-z0-9.-]+:dep:/, ''),
  )
  .pipe(uuid);
export const depositionParams = z.object({ id });
const params = depositionParams;
const Metadata = z.record(z.string(), z.unknown());
const Files = z.array(z.unknown()).max(bounds.filesPerRecord);

export const anyReader: Gate = { kind: 'scope', verb: 'depositions:write', orVerb: 'depositions:review' };
export const revisionTag = 'the revision of the deposition';
export const seenRevision = 'The ETag of the deposition as the caller last saw it, or `*`';
const etag = revisionTag;
const ifMatch = seenRevision;

export const depositionsRoutes = {
  createDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions',
    summary: 'Begin a deposition: a draft of one record, which only its owner sees',
    gate: scope('depositions:write'),
    body: z.strictObject({
      convention_id: z.string().max(200),
      metadata: Metadata.default({}),
      /** `{"name", "sha256", "size"}` each, of files that are stored. */
      files: Files.default([]),
    }),
    digitsIn: 'metadata',
    etag,
    status: 201,
    response: Deposition,
    idempotent: true,
  }),
  listDepositions: route({
    method: 'GET',
    path: '/api/v1/depositions',
    summary: 'List your depositions, or those that you may review, newest first',
    gate: anyReader,
    query: page.extend({
      /** `own`: yours. `review`: those in review of the conventions that you may review. */
      of: z.enum(['own', 'review']).default('own'),
      /** Without one, all but those that are deleted. */
      status: DepositionStatus.optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(DepositionItem), next_cursor: z.string().nullable() }),
  }),
  showDeposition: route({
    method: 'GET',
    path: '/api/v1/depositions/:id',
    summary: 'Show a deposition, for its owner, and for reviewers once it is in review',
    gate: anyReader,
    params,
    etag,
    status: 200,
    response: Deposition,
  }),
  editDepositionMetadata: route({
    method: 'PATCH',
    path: '/api/v1/depositions/:id/metadata',
    summary: 'Replace the metadata of a draft',
    gate: scope('depositions:write'),
    params,
    body: Metadata,
    digitsIn: 'body',
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  editDepositionFiles: route({
    method: 'PUT',
    path: '/api/v1/depositions/:id/files',
    summary: 'Replace the files of a draft by stored ones: {"name", "sha256", "size"} each',
    gate: scope('depositions:write'),
    params,
    body: z.strictObject({ files: Files }),
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  depositionFile: route({
    method: 'GET',
    path: '/api/v1/depositions/:id/files/:name',
    summary: 'Read a file of a deposition, or the part of it that `Range` names',
    gate: anyReader,
    params: z.object({ id, name: z.string().max(300) }),
    etag: 'the SHA-256 of the file',
    status: 200,
    response: 'file',
  }),
  removeDepositionFile: route({
    method: 'DELETE',
    path: '/api/v1/depositions/:id/files/:name',
    summary: 'Remove a file from a draft',
    gate: scope('depositions:write'),
    params: z.object({ id, name: z.string().max(300) }),
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  deleteDeposition: route({
    method: 'DELETE',
    path: '/api/v1/depositions/:id',
    summary: 'Delete a draft: its metadata and files go, and that it was there stays',
    gate: scope('depositions:write'),
    params,
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  submitDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/submit',
    summary: 'Submit a draft: every hook of the convention runs over it',
    gate: scope('depositions:write'),
    params,
    body: z.strictObject({}),
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  withdrawDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/withdraw',
    summary: 'Take back what is submitted and not accepted; it is a draft again',
    gate: scope('depositions:write'),
    params,
    body: z.strictObject({}),
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  endDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/end',
    summary: 'End what somebody else has submitted, as an administrator; it is a draft again',
    gate: scope('depositions:review'),
    params,
    body: z.strictObject({ reason }),
    status: 200,
    response: z.object({
      id: z.string(),
      convention_id: z.string(),
      status: z.literal('draft'),
      reason: z.string(),
    }),
    idempotent: true,
  }),
  approveDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/approve',
    summary: 'Publish what is in review, with the rows that its hooks have computed',
    gate: scope('depositions:review'),
    params,
    body: z.strictObject({ reason: reason.optional() }),
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
  rejectDeposition: route({
    method: 'POST',
    path: '/api/v1/depositions/:id/reject',
    summary: 'Give back what is in review, with a reason; it is a draft again',
    gate: scope('depositions:review'),
    params,
    body: z.strictObject({ reason }),
    etag,
    ifMatch,
    status: 200,
    response: Deposition,
    idempotent: true,
  }),
};
