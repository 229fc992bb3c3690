import { compare, listComparisons, showComparison } from '@osa/core/recompute/comparison/compare';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export function comparisonRoutes({
  store,
}: {
  readonly store: Store;
}): Pick<Handlers, 'compare' | 'showComparison' | 'listComparisons'> {
  return {
    compare: (call) => compare(store, call.writer(), call.params.name, call.body),
    showComparison: ({ params, principal }) => showComparison(store, principal, params.id),
    listComparisons: ({ params, query, principal }) => listComparisons(store, principal, params.name, query),
  };
}
