import { cancelComparison } from '@osa/core/recompute/comparison/cancel';
import { compare, listComparisons, showComparison } from '@osa/core/recompute/comparison/compare';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export function comparisonRoutes({
  store,
}: {
  readonly store: Store;
}): Pick<Handlers, 'compare' | 'showComparison' | 'listComparisons' | 'cancelComparison'> {
  return {
    compare: (call) => compare(store, call.writer(), call.params.name, call.body),
    showComparison: ({ params, principal }) => showComparison(store, principal, params.id),
    cancelComparison: (call) => cancelComparison(store, call.writer(), call.params.id, call.body),
    listComparisons: ({ params, query, principal }) => listComparisons(store, principal, params.name, query),
  };
}
