import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { grants } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import type { Store, Writer } from '../store.ts';
import { asReadBy, isOwner, mayRead, requireRevision, untold } from './access.ts';
import { type StoredDeposition, unknownDeposition } from './depositions.ts';
import type { Edit } from './edit.ts';

type Deposition = Answer<'showDeposition'>;

/**
 * Publishes what is in review: the commit of its batch, with exactly what its hooks have answered. Decision, record, rows and
 * state are one transaction.
 *
 * @throws OsaError `not_found`, `access_denied` (one's own), `conflict` (it is not in review: another reviewer was first, or
 * it was withdrawn), `precondition_failed`, `busy`
 */
export async function approveDeposition(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly reason: string | null },
): Promise<Deposition> {
  return decide(store, writer, { ...edit, approved: true });
}

/** Gives back what is in review, with a reason; nothing of it is published. @throws OsaError as `approveDeposition` */
export async function rejectDeposition(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly reason: string },
): Promise<Deposition> {
  return decide(store, writer, { ...edit, approved: false });
}

async function decide(
  store: Store,
  writer: Writer,
  { id, revision, approved, reason }: Edit & { readonly approved: boolean; readonly reason: string | null },
): Promise<Deposition> {
  const { principal } = writer;
  const answer = await store.write(untold(writer), async ({ depositions }) => {
    requireReviewer(await depositions.find(id), principal, id);
    // One that another reviewer gives back meanwhile is a conflict: this one has seen it.
    const found = await depositions.lockSubmitted(id);
    if (!found) throw unknownDeposition(id);
    requireReview(found);
    requireRevision(found, revision);
    if (approved && isOwner(found, principal) && !found.approveOwn) {
      throw new OsaError(
        'access_denied',
        `deposition ${id} is your own, and ${found.convention} wants another reviewer; curation in its convention.yaml says so`,
      );
    }
    await failpoint('review.after-lock');
    await depositions.review(found, { approved, reason });
    await failpoint('review.decided');
    return asReadBy(await depositions.view(id), principal);
  });
  await failpoint('review.after-commit');
  return answer;
}

/** A reviewer hears no more here than by reading it. @throws OsaError `not_found` */
function requireReviewer(found: StoredDeposition | undefined, principal: Principal, id: string): void {
  const isReviewer = found !== undefined && grants(principal, 'depositions:review', found.convention);
  if (!isReviewer || found.submission === null) throw unknownDeposition(id);
  if (!mayRead({ ...found, convention_id: found.convention }, principal)) throw unknownDeposition(id);
}

/** @throws OsaError `conflict` */
function requireReview({ id, status }: StoredDeposition): void {
  if (status === 'in_review') return;
  const state =
    status === 'accepted'
      ? 'accepted already'
      : 'not in review; it was withdrawn, decided, edited, or taken back to be validated again';
  throw new OsaError('conflict', `deposition ${id} is ${state}; nothing was changed`, {
    details: { status },
  });
}
