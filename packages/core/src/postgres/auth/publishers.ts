import { validate as isUuid, v7 as uuid7 } from 'uuid';
import type { Answer } from '../../api/index.ts';
import type { Publisher, Rule } from '../../auth/publisher/publisher.ts';
import type { Exchange, PublisherReads, PublisherWrites } from '../../auth/publisher/publishers.ts';
import { arrayText } from '../array.ts';
import type { Database, Sql, Transaction } from '../connection/connect.ts';

/** The publishers that are read at a time; more than can be added. */
const mostRead = 1_001;

export function publisherReads({ sql }: Pick<Database, 'sql'>): PublisherReads {
  return {
    list: () => list(sql),
    of: (issuer) => sql<Publisher[]>`
      select id, issuer, claims, scopes from publishers
      where issuer = ${issuer} and removed_at is null order by id limit ${mostRead}`,
    isActive: async (exchange) => {
      if (!isUuid(exchange)) return false;
      const rows = await sql`
        select from exchanges e
        cross join lateral (select removed_at from publishers where id = e.publisher offset 0) p
        where e.id = ${exchange} and p.removed_at is null and not exists (
          select from (select publisher from exchange_rules where exchange = e.id offset 0) x
          cross join lateral (select removed_at from publishers where id = x.publisher offset 0) o
          where o.removed_at is not null)`;
      return rows.length > 0;
    },
  };
}

async function list(sql: Sql): Promise<Answer<'listPublishers'>['items']> {
  return sql<Answer<'listPublishers'>['items']>`
    select p.id, p.issuer, p.claims, p.scopes, p.created_at,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as added_by
    from publishers p join actors a on a.id = p.actor
    where p.removed_at is null order by p.id desc limit ${mostRead}`;
}

export function publisherWrites(tx: Transaction, actor: number): PublisherWrites {
  return {
    add: (rule) => add(tx, actor, rule),
    async remove(id) {
      const rows = await tx`
        update publishers set removed_at = now(), removed_by = ${actor}
        where id = ${id} and removed_at is null returning id`;
      return rows.length > 0;
    },
    exchange: (exchange) => keep(tx, actor, exchange),
  };
}

async function add(tx: Transaction, actor: number, { issuer, claims, scopes }: Rule): Promise<string> {
  const id = uuid7();
  await tx`
    insert into publishers (id, issuer, claims, scopes, actor)
    values (${id}, ${issuer}, ${tx.json(claims)}::jsonb, ${arrayText(scopes)}::text::text[], ${actor})`;
  return id;
}

async function keep(
  tx: Transaction,
  actor: number,
  { id, publisher, others, proof, claims }: Exchange,
): Promise<boolean> {
  const rows = await tx`
    insert into exchanges (id, publisher, actor, proof, claims)
    values (${id}, ${publisher}, ${actor}, ${proof}, ${tx.json(claims)}::jsonb)
    on conflict (proof) do nothing returning id`;
  if (rows.length === 0) return false;
  await tx`
    insert into exchange_rules (exchange, publisher)
    select ${id}, unnest(${arrayText([publisher, ...others])}::text::uuid[])`;
  return true;
}

/** Names the exchange of the request's token for the rest of the transaction: what it makes is kept with it. */
export async function nameExchange(tx: Transaction, exchange: string | undefined): Promise<void> {
  if (exchange !== undefined) await tx`select set_config('osa.exchange', ${exchange}, true)`;
}
