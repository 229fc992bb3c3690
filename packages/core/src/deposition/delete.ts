import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import { bounds } from '../limits.ts';
import type { Store, Writer } from '../store.ts';
import { requireOwner, requireRevision, untold } from './access.ts';
import { type Edit, requireDraft } from './edit.ts';

/**
 * Deletes a draft: its metadata and files go. The entry that it was there stays, with its owner and the time. Its
 * submissions stay as well; only the owner can see them.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (it is not a draft), `precondition_failed`, `rate_limited`
 */
export async function deleteDeposition(
  store: Store,
  writer: Writer,
  { id, revision }: Edit,
): Promise<Answer<'deleteDeposition'>> {
  return store.write(untold(writer), async ({ depositions }) => {
    requireOwner(await depositions.find(id), writer.principal, id);
    await depositions.takeTurn();
    const draft = requireOwner(await depositions.lockDraft(id), writer.principal, id);
    requireDraft(draft);
    requireRevision(draft, revision);
    const { deletionsPerDay: limit } = bounds;
    const seconds = await depositions.waitToDelete(limit);
    if (seconds > 0) {
      throw new OsaError(
        'rate_limited',
        `you have deleted ${limit} drafts within a day, the most that one person may; use this one for something else, or delete it later`,
        { details: { limit, retry_after_seconds: seconds } },
      );
    }
    await depositions.delete(id);
    return depositions.view(id);
  });
}
