import { v7 as uuid7 } from 'uuid';
import type { Answering, Identity, LoginState, Person, Polling } from '../../auth/person/people.ts';
import { OsaError } from '../../error.ts';
import type { Sql, Transaction } from '../connection/connect.ts';
import { endOldest } from './sessions.ts';

export async function enter(sql: Sql, userCode: string, browserHash: string): Promise<boolean> {
  const rows = await sql`
    update logins set browser_hash = ${browserHash}, answered_at = null
    where user_code = ${userCode} and person is null and expires_at > now() returning id`;
  return rows.length > 0;
}

export async function answer(sql: Sql, browserHash: string): Promise<boolean> {
  const rows = await sql`
    update logins set answered_at = now()
    where browser_hash = ${browserHash} and answered_at is null and expires_at > now() returning id`;
  return rows.length > 0;
}

export async function identify(
  tx: Transaction,
  browserHash: string,
  { issuer, subject, name }: Identity,
): Promise<Answering | undefined> {
  await tx`
    insert into people as p (id, issuer, subject, name) values (${uuid7()}, ${issuer}, ${subject}, ${name ?? null})
    on conflict (issuer, subject) do update set name = coalesce(excluded.name, p.name)`;
  const known = await tx`
    update logins set person = (select id from people where issuer = ${issuer} and subject = ${subject})
    where browser_hash = ${browserHash} and answered_at is not null and person is null and expires_at > now()
    returning id`;
  return known.length > 0 ? answering(tx, browserHash) : undefined;
}

export async function answering(sql: Sql, browserHash: string): Promise<Answering | undefined> {
  const [found] = await sql<Answering[]>`
    select p.name, p.issuer, p.subject, l.user_code as "userCode"
    from logins l cross join lateral (select * from people where id = l.person offset 0) p
    where l.browser_hash = ${browserHash} and l.allowed is null and l.expires_at > now()`;
  return found;
}

export async function decide(sql: Sql, browserHash: string, allowed: boolean): Promise<boolean> {
  const rows = await sql`
    update logins set allowed = ${allowed}
    where browser_hash = ${browserHash} and person is not null and allowed is null and expires_at > now()
    returning id`;
  return rows.length > 0;
}

interface Login {
  readonly id: string;
  readonly person: string | null;
  readonly allowed: boolean | null;
  readonly isOver: boolean;
  readonly isTaken: boolean;
  readonly isHasty: boolean;
}

export async function take(
  tx: Transaction,
  deviceHash: string,
  polling: Polling,
): Promise<Person | LoginState> {
  // Half a second less: the way here may take longer once than the next time.
  const shortest = Math.max(0, polling.intervalSeconds - 0.5);
  const [login] = await tx<Login[]>`
    select id, person, allowed, expires_at <= now() as "isOver", taken_at is not null as "isTaken",
           coalesce(polled_at > now() - make_interval(secs => ${shortest}::double precision), false) as "isHasty"
    from logins where device_hash = ${deviceHash} for update`;
  if (!login) return 'device_not_found';
  if (login.isTaken) return 'device_consumed';
  if (login.allowed === false) return 'access_denied';
  if (login.isOver) return 'expired_token';
  await tx`update logins set polled_at = now() where id = ${login.id}`;
  if (login.isHasty) return 'slow_down';
  if (login.person === null || login.allowed === null) return 'authorization_pending';
  return begin(tx, { id: login.id, person: login.person }, polling);
}

async function begin(
  tx: Transaction,
  login: { readonly id: string; readonly person: string },
  { id, hash, lifetimeSeconds, sessionSeconds }: Polling,
): Promise<Person> {
  const session = uuid7();
  await tx`update logins set taken_at = now() where id = ${login.id}`;
  await tx`
    insert into sessions (id, person, login, expires_at)
    values (${session}, ${login.person}, ${login.id}, now() + make_interval(secs => ${sessionSeconds}::integer))`;
  await tx`
    insert into refresh_tokens (id, session, hash, expires_at)
    values (${id}, ${session}, ${hash}, now() + make_interval(secs => ${lifetimeSeconds}::integer))`;
  await endOldest(tx, login.person);
  await tx`
    insert into events (type, payload)
    values ('person.logged_in', ${tx.json({ person: login.person, session })}::jsonb)`;
  const [person] = await tx<Person[]>`
    select id, name, issuer, subject, ${sessionSeconds}::integer as "secondsLeft" from people where id = ${login.person}`;
  if (!person) throw new OsaError('internal', 'a person was there and is not');
  return person;
}
