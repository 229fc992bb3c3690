import type { Event, EventReads } from '../../events/outbox.ts';
import type { Sql } from '../connection/connect.ts';

/** Events that get a place at a time, and that are looked through for those of one type. */
const [mostOrdered, mostSeen] = [10_000, 10_000];

export function eventReads(sql: Sql): EventReads {
  return {
    async last() {
      const [row] = await sql<{ seq: string }[]>`select order_events(${mostOrdered}) as seq`;
      return Number(row?.seq ?? 0);
    },
    /** One statement, since events that get a place between two would be passed over. */
    async read({ after, limit, type }) {
      type Row = Omit<Event, 'seq'> & { seq: string | null } & Ends;
      const found = await sql<Row[]>`
        with looked as materialized (
          select seq, event from event_order where seq > ${after} order by seq
          limit ${type === undefined ? limit : mostSeen}
        ), ends as (
          select (select max(seq) from looked) as looked,
                 coalesce((select max(seq) from event_order), 0) as newest,
                 (select max(last_seq) from prunings where last_seq is not null) as pruned
        )
        select ends.looked, ends.newest, ends.pruned, found.*
        from ends left join lateral (
          select o.seq, e.type, e.payload - 'actor' as payload, e.at,
                 case when a.id is not null
                   then jsonb_build_object('issuer', a.issuer, 'subject', a.subject) end as actor
          from looked o
          cross join lateral (select * from events where id = o.event offset 0) e
          left join lateral (
            select * from actors
            where id = case when jsonb_typeof(e.payload -> 'actor') = 'number'
              then (e.payload ->> 'actor')::bigint end
            offset 0) a on true
          where ${type ?? null}::text is null or e.type = ${type ?? null}
          order by o.seq limit ${limit}) found on true
        order by found.seq`;
      const items = found.flatMap(({ seq, looked: _looked, newest: _newest, pruned: _pruned, ...event }) =>
        seq === null ? [] : [{ seq: Number(seq), ...event }],
      );
      const looked = Number(found[0]?.looked ?? after);
      const next = items.length === limit ? (items.at(-1)?.seq ?? looked) : looked;
      const pruned = found[0]?.pruned ?? null;
      return {
        items,
        after: next,
        has_more: next < Number(found[0]?.newest ?? next),
        pruned_to: pruned === null ? null : Number(pruned),
      };
    },
  };
}

interface Ends {
  readonly looked: string | null;
  readonly newest: string;
  readonly pruned: string | null;
}
