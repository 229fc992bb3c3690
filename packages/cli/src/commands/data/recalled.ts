import { bold, type Line, line, yellow } from '../../terminal/paint.ts';
import type { DataPage, ReadPage } from './query.ts';

/** Notices on rows and records, which no reader may miss. */

export function recalledNote(id: string, reason: string): Line {
  return line`${yellow('recalled')}: ${reason}; ${bold(`osa recall show ${id}`)} says what is`;
}

/** A line for each recall that rows name. */
export function recalledNotes(rows: DataPage['rows']): Line[] {
  return [...noticesOf(rows)].map(([id, reason]) => recalledNote(id, reason));
}

/** Reads as `read` does, and keeps the recalls that the rows have named. */
export function noticed(read: ReadPage): { readonly read: ReadPage; notes(): Line[] } {
  const seen = new Map<string, string>();
  return {
    async read(page) {
      const answer = await read(page);
      for (const [id, reason] of noticesOf(answer.rows)) seen.set(id, reason);
      return answer;
    },
    notes: () => [...seen].map(([id, reason]) => recalledNote(id, reason)),
  };
}

type Notices = readonly { readonly id: string; readonly reason: string }[];

function noticesOf(rows: DataPage['rows']): ReadonlyMap<string, string> {
  const notices = rows.flatMap((row) => (row._recalled ?? []) as Notices);
  return new Map(notices.map(({ id, reason }) => [id, reason]));
}
