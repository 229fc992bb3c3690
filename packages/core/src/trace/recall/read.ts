import type { Answer } from '../../api/index.ts';
import type { Page } from '../../hook/registry.ts';
import type { Store } from '../../store.ts';
import { type Recall, unknownRecall } from './recalls.ts';

/** @throws OsaError `not_found` */
export async function showRecall({ recalls }: Store, id: string): Promise<Recall> {
  const found = await recalls.show(id);
  if (!found) throw unknownRecall(id);
  return found;
}

/** @throws OsaError `not_found`, `invalid` (cursor) */
export async function recallRows(
  { recalls, impacts }: Store,
  id: string,
  page: Page,
): Promise<Answer<'recallRows'>> {
  const chosen = await recalls.chosen(id);
  if (!chosen) throw unknownRecall(id);
  return impacts.rows(chosen, page);
}
