import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { everything, requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Store } from '../store.ts';

/**
 * Runs of one hook need the right to that hook's runs, runs of all hooks the right to all.
 *
 * @throws OsaError `access_denied`
 */
export async function listRuns(
  store: Store,
  principal: Principal,
  query: ParsedQuery<'listRuns'>,
): Promise<Answer<'listRuns'>> {
  requireScope(principal, 'runs:read', query.hook ?? everything);
  return store.runs.list(query);
}

/** @throws OsaError `not_found`, `access_denied` */
export async function showRun(store: Store, principal: Principal, id: string): Promise<Answer<'showRun'>> {
  const run = found(await store.runs.show(id), id);
  requireScope(principal, 'runs:read', run.hook_name);
  return run;
}

/** @returns what the code said, which may be nothing @throws OsaError `not_found` (also for an attempt that is not there), `access_denied` */
export async function readRunLog(
  store: Store,
  principal: Principal,
  { id, attempt }: { readonly id: string; readonly attempt: number | undefined },
): Promise<Uint8Array> {
  const { hook, log, prunedAt } = found(await store.runs.log(id, attempt), id);
  requireScope(principal, 'runs:read', hook);
  if (prunedAt !== null) {
    throw new OsaError(
      'not_found',
      `the log of run ${id} was pruned on ${prunedAt.slice(0, 10)}; its attempts, exit codes and rows are kept: osa runs show ${id}`,
      { details: { log_pruned_at: prunedAt } },
    );
  }
  if (log) return log;
  throw attempt === undefined
    ? new OsaError('not_found', `run ${id} has no log: its code was not started`)
    : new OsaError('not_found', `run ${id} has no attempt ${attempt}`, { field: 'attempt' });
}

/** @throws OsaError `not_found`, `access_denied` */
export async function followRun(
  store: Store,
  principal: Principal,
  { id, ...place }: { readonly id: string; readonly attempt: number; readonly after: number },
): Promise<Answer<'followRun'>> {
  const { hook, ...tail } = found(await store.runs.tail(id, place), id);
  requireScope(principal, 'runs:read', hook);
  return tail;
}

function found<T>(answer: T | undefined, id: string): T {
  if (answer === undefined) throw new OsaError('not_found', `no run has the id ${id}`, { field: 'id' });
  return answer;
}
