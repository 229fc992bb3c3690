import { followRun, listRuns, readRunLog, showRun } from '@osa/core/run/runs';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<Handlers, 'listRuns' | 'showRun' | 'runLogs' | 'followRun' | 'listWorkers'>;

export function runRoutes({ store }: { readonly store: Store }): Routes {
  return {
    listRuns: (call) => listRuns(store, call.caller().principal, call.query),
    showRun: (call) => showRun(store, call.caller().principal, call.params.id),
    async runLogs({ params: { id }, query: { attempt }, caller, reply }) {
      const log = await readRunLog(store, caller().principal, { id, attempt });
      reply.type('text/plain; charset=utf-8');
      return Buffer.from(log);
    },
    listWorkers: () => store.workers(),
    followRun: (call) => followRun(store, call.caller().principal, { ...call.params, ...call.query }),
  };
}
