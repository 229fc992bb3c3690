import type { Answer, ParsedQuery } from '../api/index.ts';
import { unknownHook } from '../hook/hook.ts';
import type { Store } from '../store.ts';
import { type Recompute, unknownRecompute } from './recomputes.ts';

/** The current records and rows of a hook by release. @throws OsaError `not_found` */
export async function showStale({ recomputes }: Store, name: string): Promise<Answer<'showStale'>> {
  const answer = await recomputes.staleOf(name);
  if (!answer) throw unknownHook(name);
  return answer;
}

/** @throws OsaError `not_found` */
export async function showRecompute({ recomputes }: Store, id: string): Promise<Recompute> {
  const answer = await recomputes.show(id);
  if (!answer) throw unknownRecompute(id);
  return answer;
}

/** @throws OsaError `not_found` */
export async function listRecomputeRecords(
  { recomputes }: Store,
  id: string,
  query: ParsedQuery<'listRecomputeRecords'>,
): Promise<Answer<'listRecomputeRecords'>> {
  const answer = await recomputes.records(id, query);
  if (!answer) throw unknownRecompute(id);
  return answer;
}
