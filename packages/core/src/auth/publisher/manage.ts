import type { Answer } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import type { Store, Writer } from '../../store.ts';
import type { Principal } from '../principal.ts';
import { covers, everything, requireScope } from '../scope.ts';
import { type Rule, unknownPublisher } from './publisher.ts';

/** Publishers that count at a time. */
const mostPublishers = 1_000;

/**
 * Adds a rule. Nobody can give away more than their own token grants.
 *
 * @throws OsaError `access_denied`, `conflict` when there are too many
 */
export async function addPublisher(
  store: Store,
  writer: Writer,
  rule: Rule,
): Promise<Answer<'addPublisher'>> {
  requireScope(writer.principal, 'publishers:write', everything);
  for (const scope of rule.scopes) requireOwn(writer.principal, scope);
  return store.write(writer, async ({ publishers, event }) => {
    const id = await publishers.add(rule);
    await event('publisher.added', { publisher: id, ...rule });
    return { id, ...rule, claims: { ...rule.claims }, scopes: [...rule.scopes] };
  });
}

/** Tokens that were given under the rule open nothing from then on. @throws OsaError `not_found`, `access_denied` */
export async function removePublisher(
  store: Store,
  writer: Writer,
  id: string,
): Promise<Answer<'removePublisher'>> {
  requireScope(writer.principal, 'publishers:write', everything);
  return store.write(writer, async ({ publishers, event }) => {
    if (!(await publishers.remove(id))) throw unknownPublisher(id);
    await event('publisher.removed', { publisher: id });
    return { id, removed: true as const };
  });
}

export async function listPublishers(store: Store, principal: Principal): Promise<Answer<'listPublishers'>> {
  requireScope(principal, 'publishers:write', everything);
  const items = await store.publishers.list();
  return { items: items.slice(0, mostPublishers) };
}

function requireOwn({ isAdmin, scopes }: Principal, wanted: string): void {
  if (isAdmin || [...scopes].some((held) => covers(held, wanted))) return;
  throw new OsaError(
    'access_denied',
    `you cannot give the scope ${wanted}, since your token does not grant it; sign one with it`,
    { details: { scope: wanted } },
  );
}
