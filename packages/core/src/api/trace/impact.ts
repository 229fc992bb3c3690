import { z } from 'zod';
import { Digest } from '../../hook/release.ts';
import { bounds } from '../../limits.ts';
import { rowId, time, uuid } from '../fields.ts';
import { dataPage, nextPage } from '../paging.ts';
import { read, route } from '../route.ts';
import { MadeRows } from './runs.ts';

/** The beginnings of commits' names, separated by commas; 16 digits tell commits apart. */
const commits = z
  .string()
  .max(17 * bounds.impactCommits)
  .regex(
    /^[0-9a-f]{12,64}(,[0-9a-f]{12,64})*$/,
    'must be names of commits, of 12 hexadecimal digits or more, separated by commas',
  )
  .transform((text) => text.split(','));

/** Which releases are meant; exactly one of these is given. */
const selection = {
  /** As `hook@version`. */
  release: z.string().max(100).optional(),
  digest: Digest.optional(),
  commits: commits.optional(),
  /** The subject of who built them. */
  built_by: z.string().min(1).max(1_000).optional(),
  /** Those that this deploy declared. */
  deploy: uuid.optional(),
};

const Touched = z.object({
  hook: z.string(),
  version: z.int(),
  digest: z.string(),
  source_ref: z.string(),
  built_by: z.string(),
  built_at: time,
  live_version: z.int().nullable(),
  made: MadeRows,
});

export const impactRoutes = {
  impact: route({
    method: 'GET',
    path: '/api/v1/impact',
    summary:
      'Count the rows and records that chosen releases made, by release and by convention, from the counts that runs keep. Choose by `release`, `digest`, `commits`, `built_by` or `deploy`',
    gate: read,
    query: z.object(selection),
    status: 200,
    response: z.object({
      made: MadeRows,
      releases: z.array(Touched),
      conventions: z.array(MadeRows.extend({ convention: z.string() })),
    }),
  }),
  impactRows: route({
    method: 'GET',
    path: '/api/v1/impact/rows',
    summary: 'List the rows that chosen releases made, as far as they can be read',
    gate: read,
    query: dataPage.extend(selection),
    status: 200,
    response: z.object({
      items: z.array(
        z.object({
          name: z.string(),
          id: rowId,
          release: z.int(),
          record_srn: z.string(),
          convention: z.string(),
          source_id: z.string(),
          current: z.boolean(),
        }),
      ),
      ...nextPage,
    }),
  }),
};
