import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { OsaError } from '../error.ts';
import type { Store, Writer } from '../store.ts';
import { isOwner } from './access.ts';
import { type StoredDeposition, unknownDeposition } from './depositions.ts';

/**
 * An operator ends what somebody else has submitted and nobody has decided: it is a draft again, and its owner reads
 * who ended it and why. Its event has the reason and nothing of the content.
 *
 * @throws OsaError `access_denied` (no administrator), `not_found` (also for a draft), `conflict` (one's own, or it is
 * decided), `busy`
 */
export async function endDeposition(
  store: Store,
  writer: Writer,
  { id, reason }: { readonly id: string; readonly reason: string },
): Promise<Answer<'endDeposition'>> {
  const { principal } = writer;
  requireAdmin(principal);
  return store.write(writer, async ({ depositions, event }) => {
    requireSubmitted(await depositions.find(id), id);
    const found = requireSubmitted(await depositions.lockSubmitted(id), id);
    const { status, submission, convention } = found;
    if (isOwner(found, principal)) {
      throw new OsaError(
        'conflict',
        `deposition ${id} is your own; osa depositions withdraw ${id} takes it back`,
      );
    }
    if (status === 'accepted' || submission === null) {
      throw new OsaError('conflict', `deposition ${id} is published already; nothing was changed`, {
        details: { status },
      });
    }
    await depositions.end({ id, submission }, reason);
    await event('deposition.ended', { deposition: id, convention, reason });
    return { id, convention_id: convention, status: 'draft' as const, reason };
  });
}

/** @throws OsaError `access_denied` */
function requireAdmin({ isAdmin }: Principal): void {
  if (isAdmin) return;
  throw new OsaError(
    'access_denied',
    'only administrators end what others have submitted; a reviewer rejects what is in review: osa depositions review reject',
    { details: { scope: 'depositions:review' } },
  );
}

/** Drafts are seen by their owners alone. @throws OsaError `not_found` */
function requireSubmitted(found: StoredDeposition | undefined, id: string): StoredDeposition {
  if (found && found.status !== 'draft' && found.status !== 'deleted') return found;
  throw unknownDeposition(id);
}
