import type { NextToken, Person, SessionFlaw } from '../../auth/person/people.ts';
import { OsaError } from '../../error.ts';
import type { Transaction } from '../connection/connect.ts';

/** Sessions of one person that last at a time; a further login ends the oldest. */
const mostSessions = 20;

interface Token {
  readonly id: string;
  readonly session: string;
  readonly isUsed: boolean;
  readonly isOver: boolean;
}

export async function rotate(
  tx: Transaction,
  tokenHash: string,
  next: NextToken,
): Promise<Person | SessionFlaw> {
  const session = await lockedSession(tx, tokenHash);
  if (!session) return 'invalid_refresh_token';
  if (session.isEnded) return 'token_family_revoked';
  // Behind the lock, so that of two uses at the same time the second one sees the first.
  const token = await tokenOf(tx, tokenHash);
  if (token.isUsed) {
    await end(tx, session.id, 'reuse');
    return 'token_family_revoked';
  }
  if (token.isOver || session.secondsLeft <= 0) return 'refresh_token_expired';
  await tx`update refresh_tokens set used_at = now() where id = ${token.id}`;
  await tx`
    insert into refresh_tokens (id, session, hash, expires_at)
    values (${next.id}, ${session.id}, ${next.hash}, now() + make_interval(secs => ${next.lifetimeSeconds}::integer))`;
  const [person] = await tx<Omit<Person, 'secondsLeft'>[]>`
    select id, name, issuer, subject from people where id = ${session.person}`;
  if (!person) throw new OsaError('internal', 'a session has no person');
  return { ...person, secondsLeft: session.secondsLeft };
}

export async function logOut(tx: Transaction, tokenHash: string): Promise<void> {
  const session = await lockedSession(tx, tokenHash);
  if (session && !session.isEnded) await end(tx, session.id, 'logout');
}

interface Session {
  readonly id: string;
  readonly person: string;
  readonly isEnded: boolean;
  readonly secondsLeft: number;
}

async function lockedSession(tx: Transaction, tokenHash: string): Promise<Session | undefined> {
  const [session] = await tx<Session[]>`
    select id, person, ended_at is not null as "isEnded",
           floor(extract(epoch from expires_at - now()))::integer as "secondsLeft"
    from sessions where id = (select session from refresh_tokens where hash = ${tokenHash}) for update`;
  return session;
}

async function tokenOf(tx: Transaction, tokenHash: string): Promise<Token> {
  const [token] = await tx<Token[]>`
    select id, session, used_at is not null as "isUsed", expires_at <= now() as "isOver"
    from refresh_tokens where hash = ${tokenHash}`;
  if (token) return token;
  throw new OsaError('internal', 'a refresh token was there and is not');
}

export async function endOldest(tx: Transaction, person: string): Promise<void> {
  const old = await tx<{ id: string }[]>`
    select id from sessions where person = ${person} and ended_at is null
    order by created_at desc, id desc offset ${mostSessions} for update`;
  for (const { id } of old) await end(tx, id, 'replaced');
}

async function end(tx: Transaction, session: string, reason: 'logout' | 'reuse' | 'replaced'): Promise<void> {
  await tx`update sessions set ended_at = now(), end_reason = ${reason} where id = ${session}`;
  await tx`
    insert into events (type, payload) values ('person.logged_out', ${tx.json({ session, reason })}::jsonb)`;
}
