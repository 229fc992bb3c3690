import { requireScope } from '../auth/scope.ts';
import type { Store, Writer } from '../store.ts';
import { type Replay, unknownReplay } from './replays.ts';

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
): Promise<Replay> {
  const { principal } = writer;
  const why = reason ? `cancelled by ${principal.subject}: ${reason}` : `cancelled by ${principal.subject}`;
  return store.write(writer, async ({ replays, event }) => {
    const known = await replays.view(id);
    if (!known) throw unknownReplay(id);
    for (const { hook_name } of known.releases) requireScope(principal, 'replays:write', hook_name);
    if (!(await replays.cancel(id, why))) return known;
    await event('replay.cancelled', { replay: id, reason: reason ?? null });
    return (await replays.view(id)) ?? known;
  });
}
