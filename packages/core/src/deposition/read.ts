import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import type { PublishedFile } from '../file/files.ts';
import type { Store } from '../store.ts';
import { asReadBy, mayRead, reviewScope } from './access.ts';
import { unknownDeposition, unknownFile } from './depositions.ts';

/** Yours, or those that wait for your review. */
export async function listDepositions(
  { depositions }: Store,
  principal: Principal,
  query: ParsedQuery<'listDepositions'>,
): Promise<Answer<'listDepositions'>> {
  const { issuer, subject } = principal;
  const whose = query.of === 'own' ? { owner: { issuer, subject } } : { review: reviewScope(principal) };
  return depositions.list(whose, query);
}

/** @throws OsaError `not_found`, also for those that the reader may not see */
export async function showDeposition(
  { depositions }: Store,
  principal: Principal,
  id: string,
): Promise<Answer<'showDeposition'>> {
  const found = await depositions.show(id);
  if (!found || !mayRead(found, principal)) throw unknownDeposition(id);
  return asReadBy(found, principal);
}

/** @throws OsaError `not_found` (the deposition, or a file of this name) */
export async function findDepositionFile(
  store: Store,
  principal: Principal,
  { id, name }: { readonly id: string; readonly name: string },
): Promise<PublishedFile> {
  const { files } = await showDeposition(store, principal, id);
  const file = files.find((one) => one.name === name);
  if (file) return file;
  throw unknownFile(id, name);
}
