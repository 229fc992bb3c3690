import { z } from 'zod';
import { formatNames } from '../data/format/index.ts';
import { columnKinds } from '../data/table.ts';
import { bounds } from '../limits.ts';
import { flag, givenTime, Recalled, rowId, time, versionText } from './fields.ts';
import { dataPage, nextPage, table, wholePage } from './paging.ts';
import { type Route, read, route } from './route.ts';

const schema = z.string().max(200);
const schemaParams = z.object({ schema });
const featureParams = z.object({ schema, feature: z.string().max(200) });

const cursor = z.string().max(bounds.dataCursor).optional();
const { limit } = dataPage.shape;
const sort = z
  .string()
  .max(1_000)
  .optional()
  .meta({ description: '`column[:asc|:desc],…`; absent values come last' });
const as_of = givenTime.optional().meta({ description: 'Reads as it was then' });
/** Whose records are read; those of the schema's owner if it is left out. */
const convention = z.string().max(200).optional();
const filterShape =
  'A predicate {"kind": "predicate", "field", "op", "value"}, or {"kind": "and" | "or", "operands"}, or {"kind": "not", "operand"}';

const includeList = z
  .literal('provenance')
  .transform(() => ['provenance' as const])
  .optional()
  .meta({
    description:
      '`provenance` adds the recalls of each row or record; to rows also the digest and the source of the release, and whether the row is stale',
  });
const filterText = z
  .string()
  .max(bounds.filterText)
  .optional()
  .meta({ description: `JSON. ${filterShape}` });

const recordQuery = z.object({
  cursor,
  sort,
  filter: filterText,
  history: flag,
  convention,
  as_of,
  include: includeList,
});
const rowQuery = recordQuery.extend({ release: versionText.optional() });

const recordBody = z.strictObject({
  cursor: cursor.nullable(),
  sort: sort.nullable(),
  filter: z.unknown().optional().meta({ description: filterShape }),
  history: z.boolean().default(false),
  convention: convention.nullable(),
  as_of: as_of.nullable(),
  include: z.array(z.literal('provenance')).max(1).nullish(),
});
const rowBody = recordBody.extend({
  release: z.int().min(1).max(bounds.releaseVersion).nullish(),
});
const limited = {
  limit: z
    .int()
    .min(1)
    .transform((rows) => Math.min(rows, bounds.pageRows))
    .default(bounds.defaultPageRows),
};

/** `as_of` is the moment as of which all pages of the query are read. */
const page = <T extends z.ZodType>(row: T) => table(row).extend({ as_of: time });

/** Open recalls of a row or record; left out where there are none, unless the provenance is included. */
const recalled = { _recalled: Recalled.unwrap().optional() };

const records = page(
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
    ...recalled,
  }),
);
const rows = page(
  z.looseObject({
    id: rowId,
    record_srn: z.string(),
    run_id: z.string(),
    release: z.int(),
    created_at: time.nullable(),
    record_source_id: z.string(),
    ...recalled,
  }),
);

const format = z
  .string()
  .max(100)
  .meta({ description: formatNames.join(', ') });
const columnNames = z.array(z.string().min(1).max(200)).max(bounds.columns).nullish();
const columnList = z
  .string()
  .max(bounds.columns * 70)
  .transform((text) => text.split(','))
  .optional()
  .meta({ description: 'Names of columns, separated by commas: those that the file has' });

const Kind = z.enum(['records', 'feature']);
const Described = {
  description: z.string().optional(),
  unit: z.string().optional(),
};

type Part = 'path' | 'summary' | 'params' | 'response';

/** A table by its address. */
const reading = <const T extends Pick<Route, Part | 'query'>>(part: T) =>
  route({ method: 'GET', gate: read, status: 200, ...part });

/** The same by a query in the body. */
const querying = <const T extends Pick<Route, Part | 'body'>>(part: T) =>
  route({ method: 'POST', gate: read, isReading: true, status: 200, ...part });

export const dataRoutes = {
  dataCatalog: route({
    method: 'GET',
    path: '/api/v1/data',
    summary: 'List the schemas with their tables: their records, and the rows of their hooks',
    gate: read,
    query: wholePage,
    status: 200,
    response: z.object({
      node_domain: z.string(),
      schemas: z.array(
        z.object({
          id: z.string(),
          version: z.string(),
          srn: z.string(),
          convention_id: z.string(),
          table_resources: z.array(z.object({ name: z.string(), kind: Kind })),
        }),
      ),
      ...nextPage,
    }),
  }),
  describeData: route({
    method: 'GET',
    path: '/api/v1/data/:schema',
    summary: 'Describe the tables of a schema: fields, columns, units, formats, and how many rows there are',
    gate: read,
    params: schemaParams,
    query: z.object({ convention }),
    status: 200,
    response: z.object({
      id: z.string(),
      version: z.string(),
      /** The other versions that the convention has used, lowest first. */
      other_versions: z.array(z.string()).default([]),
      srn: z.string(),
      title: z.string(),
      convention_id: z.string(),
      /** The licence of the convention's data: an identifier of SPDX, or an address. */
      license: z.string().nullable().default(null),
      fields: z.array(
        z.object({
          name: z.string(),
          type: z.string(),
          required: z.boolean(),
          cardinality: z.string(),
          ...Described,
          examples: z.array(z.string()).optional(),
        }),
      ),
      table_resources: z.array(
        z.object({
          name: z.string(),
          kind: Kind,
          columns: z.array(
            z.object({
              name: z.string(),
              type: z.string(),
              /** How its values are compared and written to files. */
              kind: z.enum(columnKinds),
              format: z.string().optional(),
              ...Described,
              /** The name that filters use, and the operators that it takes. */
              field: z.string().optional(),
              operators: z.array(z.string()).optional(),
            }),
          ),
          row_count: z.int(),
          /** False where counting ended at a bound. */
          row_count_exact: z.boolean(),
          formats: z.array(z.string()),
        }),
      ),
    }),
  }),
  describeDataAsText: route({
    method: 'GET',
    path: '/api/v1/data/:schema.md',
    summary: 'Describe the tables of a schema in Markdown',
    gate: read,
    params: schemaParams,
    query: z.object({ convention }),
    status: 200,
    response: 'markdown',
  }),
  readRecord: route({
    method: 'GET',
    path: '/api/v1/data/records/:id',
    summary: 'Read a record by its id, `id` for the newest version or `id@version`',
    gate: read,
    params: z.object({ id: z.string().max(200) }),
    status: 200,
    response: z.object({
      id: z.string(),
      srn: z.string(),
      schema_id: z.string(),
      version: z.int(),
      convention_id: z.string(),
      source_id: z.string(),
      metadata: z.record(z.string(), z.unknown()),
      created_at: time,
      /** Its open recalls; left out where there are none. */
      recalled: Recalled.unwrap().optional(),
    }),
  }),
  readRecords: reading({
    path: '/api/v1/data/:schema/records',
    summary:
      'List the published records of a schema (`id` or `id@version`), newest first: those of its owner, or of `convention`',
    params: schemaParams,
    query: recordQuery.extend({ limit }),
    response: records,
  }),
  queryRecords: querying({
    path: '/api/v1/data/:schema/records',
    summary: 'List the published records of a schema that a filter matches',
    params: schemaParams,
    body: recordBody.extend(limited),
    response: records,
  }),
  recordsFile: reading({
    path: '/api/v1/data/:schema/records.:format',
    summary: 'Send all published records of a schema as one file',
    params: schemaParams.extend({ format }),
    query: recordQuery.extend({ columns: columnList }),
    response: 'table',
  }),
  queryRecordsFile: querying({
    path: '/api/v1/data/:schema/records.:format',
    summary: 'Send the published records that a filter matches as one file',
    params: schemaParams.extend({ format }),
    body: recordBody.extend({ columns: columnNames }),
    response: 'table',
  }),
  readRows: reading({
    path: '/api/v1/data/:schema/:feature',
    summary: 'List the rows of a feature over the published records of a schema, by id',
    params: featureParams,
    query: rowQuery.extend({ limit }),
    response: rows,
  }),
  queryRows: querying({
    path: '/api/v1/data/:schema/:feature',
    summary: 'List the rows of a feature that a filter matches',
    params: featureParams,
    body: rowBody.extend(limited),
    response: rows,
  }),
  rowsFile: reading({
    path: '/api/v1/data/:schema/:feature.:format',
    summary: 'Send all rows of a feature over the published records of a schema as one file',
    params: featureParams.extend({ format }),
    query: rowQuery.extend({ columns: columnList }),
    response: 'table',
  }),
  queryRowsFile: querying({
    path: '/api/v1/data/:schema/:feature.:format',
    summary: 'Send the rows of a feature that a filter matches as one file',
    params: featureParams.extend({ format }),
    body: rowBody.extend({ columns: columnNames }),
    response: 'table',
  }),
};
