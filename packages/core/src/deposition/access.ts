import type { Principal } from '../auth/principal.ts';
import { grants, requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Writer } from '../store.ts';
import { type ReviewScope, unknownDeposition } from './depositions.ts';

type Owned = { readonly owner: Pick<Principal, 'issuer' | 'subject'> };

export function isOwner({ owner }: Owned, { issuer, subject }: Principal): boolean {
  return owner.issuer === issuer && owner.subject === subject;
}

/**
 * Only the owner changes a deposition; others do not hear that it is there.
 *
 * @throws OsaError `not_found`, `access_denied`
 */
export function requireOwner<D extends Owned & { readonly convention: string }>(
  found: D | undefined,
  principal: Principal,
  id: string,
): D {
  if (!found || !isOwner(found, principal)) throw unknownDeposition(id);
  requireScope(principal, 'depositions:write', found.convention);
  return found;
}

/** Whether somebody may look at a deposition: its owner always, reviewers from its review on. */
export function mayRead(
  deposition: Owned & { readonly convention_id: string; readonly status: string },
  principal: Principal,
): boolean {
  if (isOwner(deposition, principal)) return true;
  const isShown = deposition.status === 'in_review' || deposition.status === 'accepted';
  return isShown && grants(principal, 'depositions:review', deposition.convention_id);
}

/**
 * The part of a deposition that a reader sees who may look at it. Reviewers see earlier submissions only if a reviewer has
 * decided them: reasons of hooks and operators are for the owner.
 */
export function asReadBy<D extends Owned & { readonly submissions: readonly { readonly review: unknown }[] }>(
  deposition: D,
  principal: Principal,
): D {
  if (isOwner(deposition, principal)) return deposition;
  const submissions = deposition.submissions.filter(({ review }, index) => index === 0 || review !== null);
  return { ...deposition, submissions };
}

/** The conventions that the scopes of a reviewer name. */
export function reviewScope({ isAdmin, scopes }: Principal): ReviewScope {
  const verb = 'depositions:review';
  if (isAdmin || scopes.has(verb) || scopes.has(`${verb}:*`)) return 'all';
  const patterns = [...scopes].flatMap((scope) =>
    scope.startsWith(`${verb}:`) ? [scope.slice(verb.length + 1)] : [],
  );
  const [prefixes, names] = [true, false].map((isPrefix) =>
    patterns.filter((pattern) => /^[^*]+\*?$/.test(pattern) && pattern.endsWith('*') === isPrefix),
  );
  return { names: names ?? [], prefixes: (prefixes ?? []).map((pattern) => pattern.slice(0, -1)) };
}

/** @throws OsaError `precondition_failed` */
export function requireRevision({ revision }: { readonly revision: number }, seen: number | undefined): void {
  if (seen === undefined || seen === revision) return;
  throw new OsaError(
    'precondition_failed',
    `If-Match: the deposition is at revision ${revision}, not ${seen}; look at it again, then repeat the change`,
    { field: 'If-Match', details: { revision } },
  );
}

/** Keeps the acts of a depositor out of the outbox, which others read. */
export function untold({ principal, idempotency }: Writer): Writer {
  return { principal, idempotency };
}
