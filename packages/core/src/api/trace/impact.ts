import { z } from 'zod';
import { bounds } from '../../limits.ts';
import { rowId } from '../fields.ts';
import { dataPage, nextPage } from '../paging.ts';
import { read, route } from '../route.ts';
import { commitRule, facts, impactAnswer } from './facts.ts';

/** The beginnings of commits' names, separated by commas; 16 digits tell commits apart. */
const commits = z
  .string()
  .max(17 * bounds.impactCommits)
  .regex(/^[0-9a-f]{12,64}(,[0-9a-f]{12,64})*$/, commitRule)
  .transform((text) => text.split(','));

/** The selecting fact; exactly one of these is given. */
const selection = { ...facts, commits: commits.optional() };

export const TouchedRow = z.object({
  name: z.string(),
  id: rowId,
  release: z.int(),
  record_srn: z.string(),
  convention: z.string(),
  source_id: z.string(),
  current: z.boolean(),
});

export const impactRoutes = {
  impact: route({
    method: 'GET',
    path: '/api/v1/impact',
    summary:
      'Count the rows and records that chosen releases made, by release and by convention, from the counts that runs keep. Choose by `release`, `digest`, `commits`, `built_by`, `deploy` or `record`',
    gate: read,
    query: z.object(selection),
    status: 200,
    response: z.object(impactAnswer),
  }),
  impactRows: route({
    method: 'GET',
    path: '/api/v1/impact/rows',
    summary: 'List the rows that chosen releases made, as far as they can be read',
    gate: read,
    query: dataPage.extend(selection),
    status: 200,
    response: z.object({
      items: z.array(TouchedRow),
      ...nextPage,
    }),
  }),
};
