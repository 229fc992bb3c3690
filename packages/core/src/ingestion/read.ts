import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { everything, requireScope } from '../auth/scope.ts';
import type { Store } from '../store.ts';
import { unknownIngestion } from './ingestions.ts';

/**
 * Ingestions of one convention; of all of them for callers who may read all.
 *
 * @throws OsaError `access_denied`
 */
export async function listIngestions(
  { ingestions }: Store,
  principal: Principal,
  query: ParsedQuery<'listIngestions'>,
): Promise<Answer<'listIngestions'>> {
  requireScope(principal, 'ingestions:read', query.convention ?? everything);
  return ingestions.list(query);
}

/** @throws OsaError `not_found`, `access_denied` */
export async function showIngestion(
  { ingestions }: Store,
  principal: Principal,
  id: string,
): Promise<Answer<'showIngestion'>> {
  const ingestion = found(await ingestions.show(id), id);
  requireScope(principal, 'ingestions:read', ingestion.convention_id);
  return ingestion;
}

/** @throws OsaError `not_found`, `access_denied` */
export async function listIngestionRecords(
  store: Store,
  principal: Principal,
  { id, ...query }: ParsedQuery<'listIngestionRecords'> & { readonly id: string },
): Promise<Answer<'listIngestionRecords'>> {
  await showIngestion(store, principal, id);
  return found(await store.ingestions.records(id, query), id);
}

/** @throws OsaError `not_found`, `access_denied` */
export async function listIngestionFailures(
  store: Store,
  principal: Principal,
  { id, limit }: { readonly id: string; readonly limit: number },
): Promise<Answer<'listIngestionFailures'>> {
  await showIngestion(store, principal, id);
  return store.ingestions.failures(id, limit);
}

function found<T>(answer: T | undefined, id: string): T {
  if (answer === undefined) throw unknownIngestion(id);
  return answer;
}
