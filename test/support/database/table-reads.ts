import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { inject } from 'vitest';
import { withDatabase } from './cluster.ts';

/** Reads of a table: how often it was looked at, how often whole, and the rows and index entries that were read. */
export interface TableReads {
  readonly looks: number;
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

/**
 * The counters of all that has been read so far. PostgreSQL lets a session hand its counters in up to ten seconds later, so
 * all sessions but the only one of `app` are ended first: what they have read must not count as the next step's.
 */
export async function tableReads(
  app: Database,
  tables: readonly string[],
): Promise<ReadonlyMap<string, TableReads>> {
  const [own] = await app.sql<{ pid: number; name: string }[]>`
    select pg_backend_pid() as pid, current_database() as name, pg_stat_force_next_flush()`;
  if (own) await endOthers(own);
  const rows = await app.sql<(TableReads & { name: string })[]>`
    select t.relname as name, t.seq_scan::float8 as scans, (t.seq_scan + coalesce(t.idx_scan, 0))::float8 as looks,
           (t.seq_tup_read + coalesce((select sum(i.idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid), 0)
           )::float8 as entries
    from pg_stat_user_tables t where t.relname = any (${app.sql.array([...tables])})`;
  return new Map(rows.map(({ name, ...counts }) => [name, counts]));
}

/**
 * Keeps autovacuum from all tables of the database of `owner` that there are. A look at one of them would bring statistics, and
 * hold a snapshot, for which the index entries of ended work are read again.
 */
export async function stopAutovacuum(owner: Database): Promise<void> {
  const tables = await owner.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relkind = 'r' and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')`;
  for (const { name } of tables) {
    await owner.sql.unsafe(
      `alter table ${name} set (autovacuum_enabled = off, toast.autovacuum_enabled = off)`,
    );
  }
}

/** Ends the other sessions of a database, and waits until they are gone; their pools open new ones. */
async function endOthers({ pid, name }: { readonly pid: number; readonly name: string }): Promise<void> {
  const { ownerUrl } = inject('cluster');
  const admin = connect({ url: withDatabase(ownerUrl, 'postgres'), max: 1, applicationName: 'osa tests' });
  try {
    await admin.sql`
      select pg_terminate_backend(pid, 10000) from pg_stat_activity
      where datname = ${name} and pid <> ${pid} and usename is not null`;
  } finally {
    await admin.close();
  }
}
