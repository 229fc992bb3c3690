import type { Database } from '@osa/core/postgres/connection/connect';

/** Reads of a table: whole scans of it, and its rows and index entries. */
export interface TableReads {
  readonly scans: number;
  readonly entries: number;
}

/** A step, how many records it is about, and what it does. */
export type Measure = <T>(step: string, records: number, run: () => Promise<T>) => Promise<T>;

export interface ReadBounds {
  readonly tables: readonly string[];
  /** So small that the way in which they are read does not matter. */
  readonly small?: readonly string[];
  /** Index entries and rows of one table that a record may cost. */
  readonly entriesPerRecord: number;
  /** A step about as many records may read a table whole. */
  readonly wholeFrom: number;
}

/** Measures steps one after another on the only connection of `app`; `over` are those that read more than they may. */
export function boundedReads(app: Database, { tables, small = [], entriesPerRecord, wholeFrom }: ReadBounds) {
  const over: object[] = [];
  const steps: string[] = [];
  const measure: Measure = async (step, records, run) => {
    const before = await tableReads(app, tables);
    const answer = await run();
    steps.push(step);
    for (const [name, { scans, entries }] of await tableReads(app, tables)) {
      const read = entries - (before.get(name)?.entries ?? 0);
      const scanned = scans - (before.get(name)?.scans ?? 0);
      const mayScan = records >= wholeFrom || small.includes(name);
      if (read > entriesPerRecord * records || (scanned > 0 && read > 0 && !mayScan))
        over.push({ step, name, read, scanned });
    }
    return answer;
  };
  return { measure, over, steps };
}

/** The counters that the sessions of `app` have handed in by now, this one's included. */
export async function tableReads(
  app: Database,
  tables: readonly string[],
): Promise<ReadonlyMap<string, TableReads>> {
  await app.sql`select pg_stat_force_next_flush()`;
  const rows = await app.sql<{ name: string; scans: number; entries: number }[]>`
    select t.relname as name, t.seq_scan::float8 as scans,
           (t.seq_tup_read + coalesce((select sum(i.idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid), 0)
           )::float8 as entries
    from pg_stat_user_tables t where t.relname = any (${app.sql.array([...tables])})`;
  return new Map(rows.map(({ name, ...counts }) => [name, counts]));
}
