import { createHash } from 'node:crypto';
import { recallRows } from '@osa/core/trace/recall/read';
import { closeRecall, openRecall } from '@osa/core/trace/recall/recall';
import type { Recall } from '@osa/core/trace/recall/recalls';
import { type CoreArchive, hookCode } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

export const writer = { principal: { ...admin, scopes: new Set([...admin.scopes, 'recalls:write']) } };

/** A commit's name, made of a text. */
export function commitOf(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

export const refOf = (commit: string) => `git+https://example.org/repo@${commit}`;

/** Code of a hook that multiplies, so that each factor is another release. */
export const times = (factor: number) =>
  hookCode(`return { features: [{ value: metadata.value * ${factor} }] }`);

export function opened(
  { store }: CoreArchive,
  request: Omit<Parameters<typeof openRecall>[2], 'reason'>,
): Promise<Recall> {
  return openRecall(store, writer, { reason: 'wrong units', ...request });
}

export function closed({ store }: CoreArchive, id: string): Promise<Recall> {
  return closeRecall(store, writer, id, { reason: 'over' });
}

/** The names of all rows of a recall, read in pages of this size. */
export async function namesOf({ store }: CoreArchive, id: string, limit = 1_000): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await recallRows(store, id, { limit, cursor });
    names.push(...page.items.map(({ name }) => name));
    if (page.next_cursor === null) return names;
    cursor = page.next_cursor;
  }
}
