import type { Answer } from '../api/index.ts';
import { cancelledBy } from '../auth/principal.ts';
import { requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { unknownRecompute } from './recomputes.ts';

type Controlled = Answer<'cancelRecompute'>;
type Reason = { readonly reason?: string | null | undefined };

/**
 * Pauses a recompute: once this has answered, none of its batches is claimed. Those that run by then end as they would.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (nothing of it is left to run)
 */
export async function pauseRecompute(
  store: Store,
  writer: Writer,
  id: string,
  { reason = null }: Reason,
): Promise<Controlled> {
  return control(store, writer, id, async ({ recomputes, event }) => {
    const { status } = await recomputes.view(id);
    if (status !== 'running' && status !== 'paused') {
      throw new OsaError('conflict', `recompute ${id} is ${status}: nothing of it is left to pause`);
    }
    const changed = await recomputes.setPause(id, { reason });
    if (changed) await event('recompute.paused', { recompute: id, reason });
    return { ...(await recomputes.view(id)), changed };
  });
}

/** Ends the pause of a recompute; without one nothing changes. @throws OsaError `not_found`, `access_denied` */
export async function resumeRecompute(store: Store, writer: Writer, id: string): Promise<Controlled> {
  return control(store, writer, id, async ({ recomputes, event }) => {
    const changed = await recomputes.setPause(id, null);
    if (changed) await event('recompute.resumed', { recompute: id });
    return { ...(await recomputes.view(id)), changed };
  });
}

/**
 * Ends a recompute. Finished batches stay; running ones are stopped and write nothing, so their records keep the rows
 * that they have. Cancelling what has ended changes nothing.
 *
 * @throws OsaError `not_found`, `access_denied`
 */
export async function cancelRecompute(
  store: Store,
  writer: Writer,
  id: string,
  { reason }: Reason,
): Promise<Controlled> {
  return control(store, writer, id, async ({ recomputes, event }) => {
    const changed = await recomputes.cancel(id, cancelledBy(writer.principal, reason));
    if (changed) await event('recompute.cancelled', { recompute: id, reason: reason ?? null });
    return { ...(await recomputes.view(id)), changed };
  });
}

/** Tries the errored records again; one that was stopped goes on where it was. @throws OsaError `not_found`, `access_denied` */
export async function retryRecompute(
  store: Store,
  writer: Writer,
  id: string,
): Promise<Answer<'retryRecompute'>> {
  return control(store, writer, id, async ({ recomputes, event }) => {
    const answer = await recomputes.retry(id);
    if (answer.goes_on) await event('recompute.retried', { recompute: id, records: answer.retried });
    return answer;
  });
}

async function control<T extends object>(
  store: Store,
  writer: Writer,
  id: string,
  work: (parts: WriteTransaction) => Promise<T>,
): Promise<T> {
  return store.write(writer, async (parts) => {
    const hook = await parts.recomputes.hookOf(id);
    if (hook === undefined) throw unknownRecompute(id);
    requireScope(writer.principal, 'hooks:write', hook);
    return work(parts);
  });
}
