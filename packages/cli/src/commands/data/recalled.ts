import { bold, type Line, line, yellow } from '../../terminal/paint.ts';
import type { DataPage } from './query.ts';

/** Notices on rows and records, which no reader may miss. */

export function recalledNote(id: string, reason: string): Line {
  return line`${yellow('recalled')}: ${reason}; ${bold(`osa recall show ${id}`)} says what is`;
}

/** A line for each recall that rows name. */
export function recalledNotes(rows: DataPage['rows']): Line[] {
  return noticeLines(noticesOf(rows));
}

export function noticeLines(notices: ReadonlyMap<string, string>): Line[] {
  return [...notices].map(([id, reason]) => recalledNote(id, reason));
}

type Notices = readonly { readonly id: string; readonly reason: string }[];

/** The reasons of the recalls that rows name, by their ids. */
export function noticesOf(rows: DataPage['rows']): ReadonlyMap<string, string> {
  const notices = rows.flatMap((row) => (row._recalled ?? []) as Notices);
  return new Map(notices.map(({ id, reason }) => [id, reason]));
}
