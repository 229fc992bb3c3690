import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { everything, requireScope } from '../auth/scope.ts';
import type { Store } from '../store.ts';

/** Reads the trail of acts and actors. @throws OsaError `access_denied` */
export async function readAudit(
  store: Store,
  principal: Principal,
  query: ParsedQuery<'audit'>,
): Promise<Answer<'audit'>> {
  requireScope(principal, 'runs:read', everything);
  return store.audit(query);
}
