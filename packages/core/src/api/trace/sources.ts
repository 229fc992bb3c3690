import { z } from 'zod';
import { Difference, Recalled, rowId, SchemaRef, time } from '../fields.ts';
import { nextPage, wholeText } from '../paging.ts';
import { read, route } from '../route.ts';
import { RecordTrace } from './rows.ts';

const source = { convention: z.string().max(200), source_id: z.string().min(1).max(1_000) };

/**
 * Why there is another result: the source's content changed, another release was live, the record was computed again,
 * or what had computed it was recalled.
 */
export const causes = ['new_content', 'new_release', 'recomputed', 'recalled'] as const;

const HistoryRow = z.object({
  name: z.string(),
  id: rowId,
  ordinal: z.int(),
  values: z.record(z.string(), z.unknown()),
  /** Against the row with the same ordinal of the result before; null where there was none. */
  changes: z.array(Difference).nullable(),
});

/** The rows of one hook for one version of the record, computed at one time. */
const Result = z.object({
  hook: z.string(),
  run_id: z.string(),
  at: time,
  release: z.int(),
  digest: z.string(),
  /** Whether no newer result of this record version has replaced it. */
  current: z.boolean(),
  causes: z.array(z.enum(causes)),
  recalled: Recalled,
  status: z.enum(['passed', 'rejected']),
  /** Why a recompute rejected the record. */
  rejection: z.string().nullable(),
  row_count: z.int(),
  /** The number of rows in the result before; null where there was none. */
  row_count_before: z.int().nullable(),
  /** The first of its rows. */
  rows: z.array(HistoryRow),
});

const Version = z.object({
  version: z.int(),
  srn: z.string(),
  published_at: time,
  schema_id: SchemaRef,
  ingestion: z.string(),
  line: z.int(),
  recalled: Recalled,
  /** The values that differ from the version before; null for the first version. */
  changes: z.array(Difference).nullable(),
  results: z.array(Result),
});

export const traceSourceRoutes = {
  traceSource: route({
    method: 'GET',
    path: '/api/v1/trace/sources',
    summary: 'Trace the newest record of a source, by its convention and source id',
    gate: read,
    query: z.object(source),
    status: 200,
    response: RecordTrace,
  }),
  sourceHistory: route({
    method: 'GET',
    path: '/api/v1/trace/history',
    summary:
      'Show the time line of a source, the newest version first: each version of its record, each result of each hook, what caused it, and the values that changed',
    gate: read,
    query: z.object({
      ...source,
      limit: wholeText(1, 50).default(20),
      cursor: z.string().max(1_000).optional(),
    }),
    status: 200,
    response: z.object({
      convention: z.string(),
      source_id: z.string(),
      /** The number of all versions; `versions` holds a page of them. */
      version_count: z.int(),
      versions: z.array(Version),
      ...nextPage,
    }),
  }),
};
