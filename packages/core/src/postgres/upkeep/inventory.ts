import type postgres from 'postgres';
import type { Inventory } from '../../storage/inventory.ts';
import { arrayText } from '../array.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { databaseError } from '../connection/sqlstate.ts';

const pageSize = 1_000;

/** The store's content as the database knows it. Forgetting takes the owner's role. */
export function inventory(database: Database): Inventory {
  const { sql } = database;
  return {
    async *named() {
      for (let after = ''; ; ) {
        const rows = await sql<{ sha256: string; size: number }[]>`
          select sha256, size::float8 as size from files where sha256 > ${after} order by sha256 limit ${pageSize}`;
        yield* rows;
        const last = rows.at(-1);
        if (rows.length < pageSize || last === undefined) return;
        after = last.sha256;
      }
    },
    async isNamed(sha256) {
      const [row] = await sql`select from files where sha256 = ${sha256} for key share`;
      return row !== undefined;
    },
    async unneeded(digests, graceSeconds) {
      const rows = await sql<{ sha256: string }[]>`
        select sha256 from unnest(${arrayText(digests)}::text::text[]) as asked (sha256)
        where not exists (${references(sql, sql`asked.sha256`)})
          and not exists (select from blob_uses where sha256 = asked.sha256 and ${isRecent(sql, graceSeconds)} offset 0)`;
      return rows.map(({ sha256 }) => sha256);
    },
    forget: (sha256, graceSeconds, remove) => forget(database, { sha256, graceSeconds, remove }),
    async forgetUses(graceSeconds) {
      await sql`delete from blob_uses where not (${isRecent(sql, graceSeconds)})`;
    },
  };
}

/** Keeps the bytes for a while. Waits while they are being removed. */
export async function useBlobs(sql: Sql, digests: readonly string[]): Promise<void> {
  await sql`
    insert into blob_uses (sha256)
    select distinct sha256 from unnest(${arrayText(digests)}::text::text[]) as asked (sha256) order by sha256
    on conflict (sha256) do update set used_at = clock_timestamp()`;
}

interface Forgetting {
  readonly sha256: string;
  readonly graceSeconds: number;
  readonly remove: () => Promise<boolean>;
}

/**
 * The row of uses is locked from before the last look until the bytes are gone. A reference that is being made meanwhile
 * holds the row of the file, by its foreign key: it is waited for, and wins.
 */
async function forget(database: Database, { sha256, graceSeconds, remove }: Forgetting): Promise<boolean> {
  const kept = new Error('somebody needs it');
  try {
    await database.transaction(async (tx) => {
      await tx`
        insert into blob_uses (sha256, used_at) values (${sha256}, '-infinity') on conflict (sha256) do nothing`;
      const [row] = await tx<{ is_recent: boolean }[]>`
        select ${isRecent(tx, graceSeconds)} as is_recent from blob_uses where sha256 = ${sha256} for update`;
      if (row?.is_recent !== false) throw kept;
      const [needed] = await references(tx, tx`${sha256}::text`);
      if (needed !== undefined) throw kept;
      await tx`select set_config('osa.forgetting', ${sha256}, true)`;
      await tx`delete from file_senders where sha256 = ${sha256}`;
      await tx`delete from stored_files where sha256 = ${sha256}`;
      await tx`delete from files where sha256 = ${sha256}`;
      if (!(await remove())) throw kept;
      await tx`delete from blob_uses where sha256 = ${sha256}`;
    });
    return true;
  } catch (error) {
    const isReferred = databaseError(error)?.code === '23503';
    if (error === kept || isReferred) return false;
    throw error;
  }
}

function references(sql: Sql, sha256: postgres.PendingQuery<postgres.Row[]>) {
  return sql`
    (select from releases where blob = ${sha256} limit 1)
    union all (select from record_files where record_files.sha256 = ${sha256} limit 1)
    union all (select from deposition_files where deposition_files.sha256 = ${sha256} limit 1)`;
}

function isRecent(sql: Sql, graceSeconds: number) {
  return sql`used_at > clock_timestamp() - make_interval(secs => ${graceSeconds})`;
}
