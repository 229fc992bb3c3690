import type { Answer } from '../../api/index.ts';
import { cancelledBy } from '../../auth/principal.ts';
import { requireScope } from '../../auth/scope.ts';
import type { Store, Writer } from '../../store.ts';
import { unknownReplay } from './replays.ts';

/**
 * Ends a replay. Certificates that are stored stay; what runs is stopped and leaves none. Cancelling what has ended changes
 * nothing.
 *
 * @throws OsaError `not_found`, `access_denied` (it takes the right to replay each of its hooks), `busy`
 */
export async function cancelReplay(
  store: Store,
  writer: Writer,
  id: string,
  { reason }: { readonly reason?: string | null | undefined },
): Promise<Answer<'cancelReplay'>> {
  const { principal } = writer;
  return store.write(writer, async ({ replays, event }) => {
    const known = await replays.view(id);
    if (!known) throw unknownReplay(id);
    for (const { hook_name } of known.releases) requireScope(principal, 'replays:write', hook_name);
    if (!(await replays.cancel(id, cancelledBy(principal, reason)))) return { ...known, changed: false };
    await event('replay.cancelled', { replay: id, reason: reason ?? null });
    return { ...((await replays.view(id)) ?? known), changed: true };
  });
}
