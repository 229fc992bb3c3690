import type { UploadUse } from '../../file/files.ts';
import { rememberActor } from '../actor.ts';
import type { Database } from '../connection/connect.ts';

export function uploadUse({ sql }: Pick<Database, 'sql'>): UploadUse {
  return {
    async reserve(principal, bytes, mostBytes) {
      const actor = await rememberActor(sql, principal);
      const rows = await sql`
        insert into upload_use as u (actor, day, bytes)
        select ${actor}, (now() at time zone 'UTC')::date, ${bytes} where ${bytes}::bigint <= ${mostBytes}::bigint
        on conflict (actor, day) do update set bytes = u.bytes + excluded.bytes
          where u.bytes + excluded.bytes <= ${mostBytes}::bigint
        returning actor`;
      if (rows.length > 0) return 'reserved';
      const [next] = await sql<{ seconds: number }[]>`
        select ceil(extract(epoch from date_trunc('day', now() at time zone 'UTC') + interval '1 day'
          - (now() at time zone 'UTC')))::integer as seconds`;
      return { waitSeconds: next?.seconds ?? 86_400 };
    },
    async giveBack(principal, bytes) {
      const actor = await rememberActor(sql, principal);
      await sql`
        update upload_use set bytes = greatest(0, bytes - ${bytes}::bigint)
        where actor = ${actor} and day = (now() at time zone 'UTC')::date`;
    },
  };
}

/** Forgets the days before yesterday. */
export async function forgetUploadUse({ sql }: Pick<Database, 'sql'>): Promise<void> {
  await sql`delete from upload_use where day < (now() at time zone 'UTC')::date - 1`;
}
