import type { Store } from '@osa/core/store';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import type { Handlers } from '../mount.ts';

export function traceRoutes({
  store,
}: {
  readonly store: Store;
}): Pick<Handlers, 'traceRow' | 'traceRecord'> {
  return {
    traceRow: ({ params, principal }) => traceRow(store, principal, params),
    traceRecord: ({ params }) => traceRecord(store, params.srn),
  };
}
