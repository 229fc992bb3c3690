import { readRecords, readRows } from '@osa/core/record/read';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export function dataRoutes({ store }: { readonly store: Store }): Pick<Handlers, 'readRecords' | 'readRows'> {
  return {
    readRecords: ({ params, query }) => readRecords(store, params.schema, query),
    readRows: ({ params, query }) => readRows(store, params.schema, params.feature, query),
  };
}
