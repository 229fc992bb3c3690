import type { Deliveries } from '../../events/deliveries.ts';
import { isLeaseOver } from '../clock.ts';
import type { Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';

/** Letters that are kept. */
const mostDead = 10_000;

export function deliveries(sql: Sql): Deliveries {
  return {
    async hold(consumer, holder, leaseMs) {
      await sql`
        insert into deliveries (consumer, seq) select ${consumer}, order_events(10000)
        on conflict (consumer) do nothing`;
      const [row] = await sql<{ seq: string; attempts: number }[]>`
        update deliveries
        set holder = ${holder}, lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
        where consumer = ${consumer} and (holder = ${holder} or lease_until is null or ${isLeaseOver(sql, sql`lease_until`)})
        returning seq, attempts`;
      return row && { seq: Number(row.seq), attempts: row.attempts };
    },
    async advance(consumer, holder, seq) {
      await sql`
        update deliveries set seq = ${seq}, attempts = 0, error = null
        where consumer = ${consumer} and holder = ${holder} and seq < ${seq}`;
    },
    async failed(consumer, holder, error) {
      await sql`
        update deliveries set attempts = attempts + 1, error = ${error}
        where consumer = ${consumer} and holder = ${holder}`;
    },
    async release(consumer, holder) {
      await sql`update deliveries set lease_until = null where consumer = ${consumer} and holder = ${holder}`;
    },
    async bury({ consumer, seq, document, error }) {
      await sql`
        insert into dead_letters (consumer, seq, document, error)
        values (${consumer}, ${seq}, ${sql.json(document as never)}::jsonb, ${error})`;
      await sql`
        delete from dead_letters
        where id <= (select id from dead_letters order by id desc offset ${mostDead} limit 1)`;
    },
    async dead(limit) {
      type Row = Omit<Awaited<ReturnType<Deliveries['dead']>>['items'][number], 'id' | 'seq'>;
      const rows = await sql<(Row & { id: string; seq: string })[]>`
        select id, consumer, seq, document, error, at from dead_letters order by id desc limit ${limit + 1}`;
      const items = rows.map((row) => ({ ...row, id: Number(row.id), seq: Number(row.seq) }));
      return { items: items.slice(0, limit), has_more: items.length > limit };
    },
    runsOf: async (batch) => {
      const rows = await sql<{ id: string }[]>`select id from runs where batch = ${batch} order by hook`;
      return rows.map(({ id }) => id);
    },
    startedRuns: async (limit) => {
      // The order is that of the index of claimed batches, which are few.
      const rows = await sql<{ id: string }[]>`
        select run.id
        from (
          select id from batches
          where snapshot_at is not null and finished_at is null and ${isShown(sql, sql`batches.id`)}
          order by ingestion limit ${limit}) bt
        cross join lateral (select id from runs where batch = bt.id and finished_at is null offset 0) run
        cross join lateral (select from attempts where run = run.id limit 1) a
        limit ${limit}`;
      return rows.map(({ id }) => id);
    },
  };
}
