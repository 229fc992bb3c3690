import { validate as isUuid, v7 as uuid7 } from 'uuid';
import type { NewLogin, People } from '../../auth/person/people.ts';
import type { Database } from '../connection/connect.ts';
import { answer, answering, decide, enter, identify, take } from './logins.ts';
import { logOut, rotate } from './sessions.ts';

/** Logins that are under way at a time. */
const mostLogins = 10_000;
/** And of one network. */
const mostOfNetwork = 20;

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

/** One that waits in the database is open until somebody decided on it. */
async function start(
  { sql }: Pick<Database, 'sql'>,
  { deviceHash, userCode, network, lifetimeSeconds }: NewLogin,
): ReturnType<People['start']> {
  const [row] = await sql<{ inNetwork: boolean; isStarted: boolean }[]>`
    with of_network as materialized (
      select count(*) >= ${mostOfNetwork} as is_full from (
        select from logins where network = ${network} and expires_at > now() and allowed is null
        limit ${mostOfNetwork}) l
    ), of_all as materialized (
      select count(*) >= ${mostLogins} as is_full from (
        select from logins where expires_at > now() limit ${mostLogins}) l
    ), dropped as (
      delete from logins where (select is_full from of_all) and not (select is_full from of_network) and id = (
        select id from logins where expires_at > now() and browser_hash is null order by expires_at, id limit 1)
      returning id
    ), started as (
      insert into logins (id, device_hash, user_code, network, expires_at)
      select ${uuid7()}, ${deviceHash}, ${userCode}, ${network},
             now() + make_interval(secs => ${lifetimeSeconds}::integer)
      where not (select is_full from of_network)
        and (not (select is_full from of_all) or exists (select from dropped))
      on conflict (user_code) do nothing returning id
    )
    select (select is_full from of_network) as "inNetwork", exists (select from started) as "isStarted"`;
  if (row?.isStarted) return 'started';
  return row?.inNetwork ? 'network_full' : 'full';
}

/** Deletes logins that are over, and the tokens of sessions that have been over for a day. */
export async function forgetOldLogins({ sql }: Pick<Database, 'sql'>): Promise<void> {
  await sql`delete from logins where expires_at < now() - interval '1 hour'`;
  await sql`
    delete from refresh_tokens where session in (
      select id from sessions where least(ended_at, expires_at) < now() - interval '1 day')`;
}
