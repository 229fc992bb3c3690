import { validate as isUuid, v7 as uuid7 } from 'uuid';
import type { NewLogin, People } from '../../person/people.ts';
import type { Database } from '../connection/connect.ts';
import { answer, answering, decide, enter, identify, take } from './logins.ts';
import { logOut, rotate } from './sessions.ts';

/** Logins that are under way at a time. */
const mostLogins = 10_000;

export function people(database: Pick<Database, 'sql' | 'transaction'>): People {
  const { sql, transaction } = database;
  return {
    start: (login) => start(database, login),
    enter: (userCode, browserHash) => enter(sql, userCode, browserHash),
    answer: (browserHash) => answer(sql, browserHash),
    identify: (browserHash, identity) => transaction((tx) => identify(tx, browserHash, identity)),
    answering: (browserHash) => answering(sql, browserHash),
    decide: (browserHash, allowed) => decide(sql, browserHash, allowed),
    take: (deviceHash, polling) => transaction((tx) => take(tx, deviceHash, polling)),
    rotate: (tokenHash, next) => transaction((tx) => rotate(tx, tokenHash, next)),
    logOut: (tokenHash) => transaction((tx) => logOut(tx, tokenHash)),
    async isLoggedIn(tokenId) {
      if (!isUuid(tokenId)) return false;
      const rows = await sql`
        select from refresh_tokens t
        cross join lateral (select ended_at, expires_at from sessions where id = t.session offset 0) s
        where t.id = ${tokenId} and s.ended_at is null and s.expires_at > now()`;
      return rows.length > 0;
    },
  };
}

async function start({ sql }: Pick<Database, 'sql'>, login: NewLogin): Promise<boolean> {
  const { deviceHash, userCode, lifetimeSeconds } = login;
  const rows = await sql`
    insert into logins (id, device_hash, user_code, expires_at)
    select ${uuid7()}, ${deviceHash}, ${userCode}, now() + make_interval(secs => ${lifetimeSeconds}::integer)
    where (select count(*) from (select from logins where expires_at > now() limit ${mostLogins}) l) < ${mostLogins}
    on conflict (user_code) do nothing returning id`;
  return rows.length > 0;
}

/** Deletes logins that are over, and the tokens of sessions that have been over for a day. */
export async function forgetOldLogins({ sql }: Pick<Database, 'sql'>): Promise<void> {
  await sql`delete from logins where expires_at < now() - interval '1 hour'`;
  await sql`
    delete from refresh_tokens where session in (
      select id from sessions where least(ended_at, expires_at) < now() - interval '1 day')`;
}
