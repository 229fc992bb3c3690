import type { Answer } from '../api/index.ts';
import { cancelledBy } from '../auth/principal.ts';
import { requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { unknownIngestion } from './ingestions.ts';

type Ingestion = Answer<'cancelIngestion'>;
type Reason = { readonly reason?: string | null | undefined };

/**
 * Pauses an ingestion: once this has answered, none of its batches is claimed. Those that run by then end as they
 * would, and later ingestions of the same sources wait behind it.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (nothing of it is left to run)
 */
export async function pauseIngestion(
  store: Store,
  writer: Writer,
  id: string,
  { reason = null }: Reason,
): Promise<Ingestion> {
  return control(store, writer, id, async ({ ingestions, event }) => {
    const { status } = await ingestions.view(id);
    if (status !== 'running' && status !== 'paused') {
      throw new OsaError('conflict', `ingestion ${id} is ${status}: nothing of it is left to pause`);
    }
    const changed = await ingestions.setPause(id, { reason });
    if (changed) await event('ingestion.paused', { ingestion: id, reason });
    return changed;
  });
}

/** Ends the pause of an ingestion; without one nothing changes. @throws OsaError `not_found`, `access_denied` */
export async function resumeIngestion(store: Store, writer: Writer, id: string): Promise<Ingestion> {
  return control(store, writer, id, async ({ ingestions, event }) => {
    const changed = await ingestions.setPause(id, null);
    if (changed) await event('ingestion.resumed', { ingestion: id });
    return changed;
  });
}

/**
 * Ends an ingestion. Finished batches stay; running ones are stopped and write nothing; the other records are errored
 * with the reason, and `ingestions retry` can bring them in again. Cancelling what has ended changes nothing.
 *
 * @throws OsaError `not_found`, `access_denied`
 */
export async function cancelIngestion(
  store: Store,
  writer: Writer,
  id: string,
  { reason }: Reason,
): Promise<Ingestion> {
  return control(store, writer, id, async ({ ingestions, event }) => {
    const batches = await ingestions.cancel(id, cancelledBy(writer.principal, reason));
    if (batches > 0) await event('ingestion.cancelled', { ingestion: id, batches, reason: reason ?? null });
    return batches > 0;
  });
}

async function control(
  store: Store,
  writer: Writer,
  id: string,
  /** Says whether there was something to change. */
  work: (parts: WriteTransaction) => Promise<boolean>,
): Promise<Ingestion> {
  return store.write(writer, async (parts) => {
    const convention = await parts.ingestions.conventionOf(id);
    if (convention === undefined) throw unknownIngestion(id);
    requireScope(writer.principal, 'ingestions:write', convention);
    const changed = await work(parts);
    return { ...(await parts.ingestions.view(id)), changed };
  });
}
