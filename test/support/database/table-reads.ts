import type { Database } from '@osa/core/postgres/connection/connect';

/** Reads of a table: whole scans of it, and its rows and index entries. */
export interface TableReads {
  readonly scans: number;
  readonly entries: number;
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
