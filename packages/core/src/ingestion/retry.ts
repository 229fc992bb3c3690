import type { Answer } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import type { Store, Writer } from '../store.ts';
import { unknownIngestion } from './ingestions.ts';

/**
 * Tries again what an ingestion rejected or errored, in new batches under the releases that are live when those
 * are claimed. A record whose source has come in again since is left alone: the later content goes first.
 *
 * @throws OsaError `not_found`, `access_denied`, `unavailable`.
 */
export async function retryIngestion(
  store: Store,
  writer: Writer,
  id: string,
): Promise<Answer<'retryIngestion'>> {
  return store.write(writer, async ({ ingestions, event }) => {
    const convention = await ingestions.conventionOf(id);
    if (convention === undefined) throw unknownIngestion(id);
    requireScope(writer.principal, 'ingestions:write', convention);
    const answer = await ingestions.retry(id);
    const { retried, overtaken } = answer;
    if (retried > 0) await event('ingestion.retried', { ingestion: id, retried, overtaken });
    return { id, ...answer };
  });
}
