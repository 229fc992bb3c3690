import { describeData, descriptionText, readRecord } from '@osa/core/data/describe';
import { recordsFile, rowsFile } from '@osa/core/data/file';
import { type DataQuery, type RowQuery, readRecords, writtenRows } from '@osa/core/data/read';
import { OsaError } from '@osa/core/error';
import { parseExactJson } from '@osa/core/json/exact';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  | 'dataCatalog'
  | 'describeData'
  | 'describeDataAsText'
  | 'readRecord'
  | 'readRecords'
  | 'queryRecords'
  | 'readRows'
  | 'queryRows'
  | 'recordsFile'
  | 'queryRecordsFile'
  | 'rowsFile'
  | 'queryRowsFile'
>;

export function dataRoutes({ store }: { readonly store: Store }): Routes {
  return {
    dataCatalog: ({ query }) => store.dataset.catalog(query),
    describeData: ({ params, query }) => describeData(store, params.schema, query),
    async describeDataAsText({ params, query, reply }) {
      reply.type('text/markdown; charset=utf-8');
      return descriptionText(await describeData(store, params.schema, query));
    },
    readRecord: ({ params }) => readRecord(store, params.id),
    readRecords: ({ params, query }) => readRecords(store, params.schema, withFilter(query)),
    queryRecords: ({ params, body }) => readRecords(store, params.schema, given(body)),
    readRows: ({ params, query }) => writtenRows(store, params.schema, params.feature, withFilter(query)),
    queryRows: ({ params, body }) => writtenRows(store, params.schema, params.feature, given(body)),
    recordsFile: ({ params, query }) => recordsFile(store, params, withFilter(query)),
    queryRecordsFile: ({ params, body }) => recordsFile(store, params, given(body)),
    rowsFile: ({ params, query }) => rowsFile(store, params, withFilter(query)),
    queryRowsFile: ({ params, body }) => rowsFile(store, params, given(body)),
  };
}

/** @throws OsaError `invalid` for a filter that is not JSON */
function withFilter<Q extends { readonly filter?: string | undefined }>(query: Q): Q {
  if (query.filter === undefined) return query;
  try {
    return { ...query, filter: parseExactJson(query.filter) };
  } catch (cause) {
    throw new OsaError('invalid', 'filter: it is not JSON; in a URL it is percent-encoded', {
      field: 'filter',
      cause,
    });
  }
}

type Given<Q> = { readonly [K in keyof Q]: Q[K] | null };

/** In a body, null is what is left out. */
function given<Q extends DataQuery | RowQuery>(body: Given<Q>): Q {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)) as Q;
}
