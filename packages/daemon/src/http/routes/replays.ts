import { cancelReplay } from '@osa/core/recompute/replay/cancel';
import { listCertificates, listRowCertificates, replay, showReplay } from '@osa/core/recompute/replay/replay';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  'replay' | 'showReplay' | 'listReplays' | 'cancelReplay' | 'listCertificates' | 'listRowCertificates'
>;

export function replayRoutes({ store }: { readonly store: Store }): Routes {
  return {
    replay: (call) => replay(store, call.writer(), call.body),
    showReplay: ({ params }) => showReplay(store, params.id),
    listReplays: ({ query }) => store.replays.list(query),
    cancelReplay: (call) => cancelReplay(store, call.writer(), call.params.id, call.body),
    listCertificates: ({ params, query }) => listCertificates(store, params.id, query),
    listRowCertificates: ({ params, query }) => listRowCertificates(store, params, query),
  };
}
