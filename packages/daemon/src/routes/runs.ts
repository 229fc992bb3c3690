import type { Principal } from '@osa/core/auth/principal';
import { OsaError } from '@osa/core/error';
import { followRun, listRuns, readRunLog, showRun } from '@osa/core/run/runs';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<Handlers, 'listRuns' | 'showRun' | 'runLogs' | 'followRun'>;

export function runRoutes({ store }: { readonly store: Store }): Routes {
  return {
    listRuns: ({ query, principal }) => listRuns(store, caller(principal), query),
    showRun: ({ params: { id }, principal }) => showRun(store, caller(principal), id),
    async runLogs({ params: { id }, query: { attempt }, principal, reply }) {
      const log = await readRunLog(store, caller(principal), { id, attempt });
      reply.type('text/plain; charset=utf-8');
      return Buffer.from(log) as never;
    },
    followRun: ({ params: { id }, query, principal }) =>
      followRun(store, caller(principal), { id, ...query }),
  };
}

function caller(principal: Principal | undefined): Principal {
  if (principal) return principal;
  throw new OsaError('internal', 'a gate let somebody through without a token');
}
