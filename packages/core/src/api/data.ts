import { z } from 'zod';
import { flag, rowId, time, versionText } from './fields.ts';
import { dataPage, table } from './paging.ts';
import { read, route } from './route.ts';

/** Whose records are read; those of the schema's owner if it is left out. */
const convention = z.string().max(200).optional();

export const dataRoutes = {
  readRecords: route({
    method: 'GET',
    path: '/api/v1/data/:schema/records',
    summary:
      'List the published records of a schema (`id` or `id@version`), newest first: those of its owner, or of `convention`',
    gate: read,
    params: z.object({ schema: z.string().max(200) }),
    query: dataPage.extend({ history: flag, convention }),
    status: 200,
    response: table(
      z.looseObject({
        id: z.string(),
        srn: z.string(),
        schema_id: z.string(),
        version: z.int(),
        created_at: time,
        convention_id: z.string(),
        source_id: z.string(),
        /** The date fields whose times have no offset; left out where there are none. */
        local_times: z.array(z.string()).optional(),
      }),
    ),
  }),
  readRows: route({
    method: 'GET',
    path: '/api/v1/data/:schema/:feature',
    summary: 'List the rows of a feature over the published records of a schema, by id',
    gate: read,
    params: z.object({ schema: z.string().max(200), feature: z.string().max(200) }),
    query: dataPage.extend({
      history: flag,
      convention,
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
    ).extend({
      /** Rows of other releases are stale. */
      live_release: z.int().nullable().default(null),
    }),
  }),
};
