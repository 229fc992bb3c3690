import { z } from 'zod';
import { time } from '../fields.ts';
import { read, route } from '../route.ts';

/** Kinds of things that can be traced. */
export const traceKinds = ['row', 'record', 'source', 'run', 'release', 'deploy'] as const;

const Found = z.object({
  kind: z.enum(traceKinds),
  /** The name that `osa trace` and the routes of its kind take. */
  name: z.string(),
  /** The convention of a source or deploy, the hook of a run or release. */
  of: z.string(),
  at: time.nullable(),
});

/** A record that came in and failed, for callers who may read its ingestion. */
const Failed = z.object({
  convention: z.string(),
  source_id: z.string(),
  ingestion: z.string(),
  line: z.int(),
  status: z.enum(['invalid', 'rejected', 'errored']),
  /** The first hook that it did not pass; null where no hook ran. */
  hook: z.string().nullable(),
  version: z.int().nullable(),
  reason: z.string().nullable(),
});

export const traceFindRoutes = {
  findTraced: route({
    method: 'GET',
    path: '/api/v1/trace/find',
    summary:
      'Find what a text may name: a source id, alone or as `convention:source_id`, the beginning of the id of a run or deploy, a record, a row or a release',
    gate: read,
    query: z.object({ text: z.string().min(1).max(1_200), kind: z.enum(traceKinds).optional() }),
    status: 200,
    response: z.object({
      items: z.array(Found),
      has_more: z.boolean(),
      /** Only where nothing else is found: what came in from a source of this name and failed, the newest first. */
      failed: z.array(Failed),
      /** Only where nothing else is found: the ingestion with this id. */
      ingestion: z.string().nullable(),
    }),
  }),
};
