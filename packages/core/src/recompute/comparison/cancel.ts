import type { Answer } from '../../api/index.ts';
import { cancelledBy } from '../../auth/principal.ts';
import { requireScope } from '../../auth/scope.ts';
import type { Store, Writer } from '../../store.ts';
import { unknownComparison } from './comparisons.ts';

/**
 * Ends a comparison without a report; what runs of it is stopped. A deploy that waits for it makes nothing live. Cancelling
 * what has ended changes nothing.
 *
 * @throws OsaError `not_found`, `access_denied`, `busy`
 */
export async function cancelComparison(
  store: Store,
  writer: Writer,
  id: string,
  { reason }: { readonly reason?: string | null | undefined },
): Promise<Answer<'cancelComparison'>> {
  const { principal } = writer;
  return store.write(writer, async ({ comparisons, event }) => {
    const known = await comparisons.view(id);
    if (!known) throw unknownComparison(id);
    requireScope(principal, 'hooks:write', known.hook_name);
    const changed = await comparisons.cancel(id, cancelledBy(principal, reason));
    if (changed) await event('comparison.cancelled', { comparison: id, reason: reason ?? null });
    return { ...((await comparisons.view(id)) ?? known), changed };
  });
}
