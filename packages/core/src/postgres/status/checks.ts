import type { Database, Sql } from '../connection/connect.ts';

export interface DatabaseFacts {
  readonly version: string;
  /** Its clock. */
  readonly now: string;
  /** Large tables without statistics of the last month. */
  readonly unanalysed: readonly string[];
}

export async function databaseFacts({ sql }: Pick<Database, 'sql'>): Promise<DatabaseFacts> {
  const [row] = await sql<DatabaseFacts[]>`
    select current_setting('server_version') as version, clock_timestamp() as now,
           array(select relname::text from pg_stat_user_tables
                 where n_live_tup > 10000
                   and coalesce(greatest(last_analyze, last_autoanalyze), '-infinity') < now() - interval '30 days'
                 order by n_live_tup desc limit 5) as unanalysed`;
  return row ?? { version: '', now: '', unanalysed: [] };
}

/**
 * Whether two pools that are open at the same time share a session of the server. If so, a pooler gives each
 * transaction any session, and settings, notifications and locks of a session are lost.
 */
export async function sharesSessions(first: Database, second: Database): Promise<boolean> {
  const [one, other] = [await sessionOf(first), await sessionOf(second)];
  return one === other;
}

async function sessionOf(database: Database): Promise<number | undefined> {
  return database.transaction(async (tx: Sql) => {
    const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return row?.pid;
  });
}
