import { z } from 'zod';
import { bounds } from '../../limits.ts';
import { Actor, idParams, reason, time } from '../fields.ts';
import { dataPage, nextPage, page } from '../paging.ts';
import { read, route, scope } from '../route.ts';
import { facts, impactAnswer } from './facts.ts';
import { TouchedRow } from './impact.ts';

/** The kinds of facts. */
const factKinds = ['release', 'digest', 'commits', 'builder', 'deploy', 'record'] as const;

/** Text that says something. */
const notice = reason.regex(/\S/, 'must not be empty');

/**
 * A notice on what a fact of the supply chain selects. It never changes; closing it is an entry of its own. Releases that
 * are made later join it while it is open, where its fact is a digest or commits.
 */
const Recall = z.object({
  id: z.string(),
  fact: z.enum(factKinds),
  /**
   * The request in its own words: `hook@version`, a digest, a range of commits, a subject, the id of a deploy, an SRN.
   */
  asked: z.string(),
  /** How many commits, where they are the fact. */
  commits: z.int(),
  reason: z.string(),
  /** Advice for readers. */
  advice: z.string().nullable(),
  opened_by: Actor,
  opened_at: time,
  closed: z.object({ by: Actor, at: time, reason: z.string() }).nullable(),
  release_count: z.int(),
  /**
   * The current part of it: rows, and records, which count once for each hook. Rows of a platform are counted up to a
   * bound; `is_exact` is false where that was reached.
   */
  current: z.object({ records: z.int(), rows: z.int(), is_exact: z.boolean() }),
  /** The recomputes of it, oldest first. */
  recomputes: z.array(z.string()),
});

const RecallImpact = Recall.extend(impactAnswer);

export const recallsRoutes = {
  openRecall: route({
    method: 'POST',
    path: '/api/v1/recalls',
    summary:
      'Recall what a fact of the supply chain selects: `release`, `digest`, `commits`, `built_by`, `deploy` or `record`. Every reader sees the notice',
    gate: scope('recalls:write'),
    body: z.strictObject({
      ...facts,
      commits: z
        .array(z.string().regex(/^[0-9a-f]{12,64}$/, 'must be 12 to 64 hexadecimal digits'))
        .min(1)
        .max(bounds.recallCommits)
        .optional(),
      /** The range of the commits as somebody typed it, for people who read the notice. */
      range: z.string().min(1).max(500).optional(),
      reason: notice,
      advice: notice.optional(),
    }),
    status: 201,
    response: RecallImpact,
    idempotent: true,
  }),
  listRecalls: route({
    method: 'GET',
    path: '/api/v1/recalls',
    summary: 'List recalls, newest first',
    gate: read,
    query: page.extend({
      status: z.enum(['open', 'closed']).optional(),
      /** Only those that select a release of this hook. */
      hook: z.string().max(200).optional(),
      /** Only those that select current rows, or a record, of this convention. */
      convention: z.string().max(200).optional(),
    }),
    status: 200,
    response: z.object({ items: z.array(Recall), next_cursor: z.string().nullable() }),
  }),
  showRecall: route({
    method: 'GET',
    path: '/api/v1/recalls/:id',
    summary: 'Show a recall, and count what it selects',
    gate: read,
    params: idParams,
    status: 200,
    response: RecallImpact,
  }),
  recallRows: route({
    method: 'GET',
    path: '/api/v1/recalls/:id/rows',
    summary: 'List the rows that a recall selects, as far as they can be read',
    gate: read,
    params: idParams,
    query: dataPage,
    status: 200,
    response: z.object({ items: z.array(TouchedRow), ...nextPage }),
  }),
  closeRecall: route({
    method: 'POST',
    path: '/api/v1/recalls/:id/close',
    summary: 'Close a recall: readers no longer see it, and it stays in the list',
    gate: scope('recalls:write'),
    params: idParams,
    body: z.strictObject({ reason: notice }),
    status: 200,
    response: RecallImpact,
    idempotent: true,
  }),
};
