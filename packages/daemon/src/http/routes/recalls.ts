import { recallRows, showRecall } from '@osa/core/recall/read';
import { closeRecall, openRecall } from '@osa/core/recall/recall';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export function recallRoutes({
  store,
}: {
  readonly store: Store;
}): Pick<Handlers, 'openRecall' | 'listRecalls' | 'showRecall' | 'recallRows' | 'closeRecall'> {
  return {
    openRecall: (call) => openRecall(store, call.writer(), call.body),
    listRecalls: ({ query }) => store.recalls.list(query),
    showRecall: ({ params }) => showRecall(store, params.id),
    recallRows: ({ params, query }) => recallRows(store, params.id, query),
    closeRecall: (call) => closeRecall(store, call.writer(), call.params.id, call.body),
  };
}
