import { listCertificates, listRowCertificates, replay, showReplay } from '@osa/core/replay/replay';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export function replayRoutes({
  store,
}: {
  readonly store: Store;
}): Pick<Handlers, 'replay' | 'showReplay' | 'listReplays' | 'listCertificates' | 'listRowCertificates'> {
  return {
    replay: (call) => replay(store, call.writer(), call.body),
    showReplay: ({ params }) => showReplay(store, params.id),
    listReplays: ({ query }) => store.replays.list(query),
    listCertificates: ({ params, query }) => listCertificates(store, params.id, query),
    listRowCertificates: ({ params, query }) => listRowCertificates(store, params, query),
  };
}
