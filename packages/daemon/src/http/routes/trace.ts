import type { Store } from '@osa/core/store';
import { findTraced } from '@osa/core/trace/find';
import { sourceHistory } from '@osa/core/trace/history';
import { impact, impactRows } from '@osa/core/trace/impact';
import { traceDeploy, traceRelease, traceRun, traceSource } from '@osa/core/trace/stories';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  | 'findTraced'
  | 'traceRow'
  | 'traceRecord'
  | 'traceSource'
  | 'sourceHistory'
  | 'traceRun'
  | 'traceRelease'
  | 'traceDeploy'
  | 'impact'
  | 'impactRows'
>;

export function traceRoutes({ store }: { readonly store: Store }): Routes {
  return {
    findTraced: ({ query }) => findTraced(store, query),
    traceRow: ({ params, principal }) => traceRow(store, principal, params),
    traceRecord: ({ params }) => traceRecord(store, params.srn),
    traceSource: ({ query }) => traceSource(store, sourceOf(query)),
    sourceHistory: ({ query }) => sourceHistory(store, sourceOf(query), query),
    traceRun: ({ params, principal }) => traceRun(store, principal, params.id),
    traceRelease: ({ params, principal }) => traceRelease(store, principal, params),
    impact: ({ query }) => impact(store, query),
    impactRows: ({ query: { limit, cursor, ...asked } }) => impactRows(store, asked, { limit, cursor }),
    traceDeploy: ({ params }) => traceDeploy(store, params.id),
  };
}

function sourceOf({ convention, source_id }: { readonly convention: string; readonly source_id: string }) {
  return { convention, sourceId: source_id };
}
