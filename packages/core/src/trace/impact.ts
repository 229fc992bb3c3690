import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';
import type { Store } from '../store.ts';
import type { Chosen } from './impacts.ts';
import { type Asked, choose, selectionOf } from './selection.ts';

/** @throws OsaError `invalid` (not exactly one fact, too many releases), `not_found` */
export async function impact(store: Store, asked: Asked): Promise<Answer<'impact'>> {
  return store.impacts.made(await chosen(store, asked));
}

/** @throws OsaError as `impact`, and `invalid` (cursor) */
export async function impactRows(store: Store, asked: Asked, page: Page): Promise<Answer<'impactRows'>> {
  return store.impacts.rows(await chosen(store, asked), page);
}

async function chosen(store: Store, asked: Asked): Promise<Chosen> {
  return choose((...given) => store.impacts.select(...given), await selectionOf(store, asked));
}
