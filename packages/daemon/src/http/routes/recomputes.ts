import {
  cancelRecompute,
  pauseRecompute,
  resumeRecompute,
  retryRecompute,
} from '@osa/core/recompute/control';
import { listRecomputeRecords, showRecompute, showStale } from '@osa/core/recompute/read';
import { planRecompute, recompute } from '@osa/core/recompute/recompute';
import type { Store } from '@osa/core/store';
import { recallRows, showRecall } from '@osa/core/trace/recall/read';
import { closeRecall, openRecall } from '@osa/core/trace/recall/recall';
import type { Handlers } from '../mount.ts';
import { comparisonRoutes } from './comparisons.ts';
import { replayRoutes } from './replays.ts';

type Routes = ReturnType<typeof comparisonRoutes> &
  ReturnType<typeof replayRoutes> &
  Pick<
    Handlers,
    | 'listStale'
    | 'showStale'
    | 'planRecompute'
    | 'recompute'
    | 'listRecomputes'
    | 'showRecompute'
    | 'listRecomputeRecords'
    | 'pauseRecompute'
    | 'resumeRecompute'
    | 'cancelRecompute'
    | 'retryRecompute'
    | 'openRecall'
    | 'listRecalls'
    | 'showRecall'
    | 'recallRows'
    | 'closeRecall'
  >;

interface RecomputeParts {
  readonly store: Store;
  /** The same store with connections for what may write much. */
  readonly cancelling: Store;
}

/** Runs of releases over published records, and the comparisons, recalls and replays beside them. */
export function recomputeRoutes({ store, cancelling }: RecomputeParts): Routes {
  return {
    ...comparisonRoutes({ store }),
    ...replayRoutes({ store }),
    listStale: ({ query }) => store.recomputes.stale(query),
    showStale: ({ params }) => showStale(store, params.name),
    planRecompute: (call) => planRecompute(store, call.writer(), call.params.name, call.body),
    recompute: (call) => recompute(store, call.writer(), call.params.name, call.body),
    listRecomputes: ({ query }) => store.recomputes.list(query),
    showRecompute: ({ params }) => showRecompute(store, params.id),
    listRecomputeRecords: ({ params, query }) => listRecomputeRecords(store, params.id, query),
    pauseRecompute: (call) => pauseRecompute(store, call.writer(), call.params.id, call.body),
    resumeRecompute: (call) => resumeRecompute(store, call.writer(), call.params.id),
    cancelRecompute: (call) => cancelRecompute(cancelling, call.writer(), call.params.id, call.body),
    retryRecompute: (call) => retryRecompute(cancelling, call.writer(), call.params.id),
    openRecall: (call) => openRecall(store, call.writer(), call.body),
    listRecalls: ({ query }) => store.recalls.list(query),
    showRecall: ({ params }) => showRecall(store, params.id),
    recallRows: ({ params, query }) => recallRows(store, params.id, query),
    closeRecall: (call) => closeRecall(store, call.writer(), call.params.id, call.body),
  };
}
