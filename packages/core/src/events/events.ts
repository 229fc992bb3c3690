import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { everything, requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Store } from '../store.ts';
import type { EventPage } from './outbox.ts';

export interface EventQuery extends Omit<EventPage, 'after'> {
  readonly after?: number | undefined;
  readonly last?: number | undefined;
}

/** @throws OsaError `access_denied` */
export async function deadEvents(
  store: Store,
  principal: Principal,
  limit: number,
): Promise<Answer<'deadEvents'>> {
  requireScope(principal, 'events:read', everything);
  return store.deliveries.dead(limit);
}

/**
 * A page of events, without waiting.
 *
 * @throws OsaError `access_denied`, `invalid` (`after` and `last`)
 */
export async function readEvents(
  store: Store,
  principal: Principal,
  { after, last, limit, type }: EventQuery,
): Promise<Answer<'readEvents'>> {
  requireScope(principal, 'events:read', everything);
  if (after !== undefined && last !== undefined) {
    throw new OsaError('invalid', 'query: after and last exclude each other; give one of them', {
      field: 'last',
    });
  }
  const newest = await store.events.last();
  const start = last === undefined ? (after ?? 0) : Math.max(0, newest - last);
  if (start >= newest) return { items: [], after: start, has_more: false, pruned_to: null };
  return store.events.read({ after: start, limit: last === undefined ? limit : Math.max(1, last), type });
}
