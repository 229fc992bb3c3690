import { OsaError } from '../../error.ts';
import { arrayText } from '../array.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { requireMigrated } from '../migrate.ts';
import { useIndexLookups } from '../queue/plans.ts';

/** The time that things are kept, in days; undefined keeps all of them. */
export interface Retention {
  readonly logDays: number | undefined;
  readonly eventDays: number | undefined;
}

export interface Pruning extends Retention {
  /** Only counts what would go. */
  readonly isPlan: boolean;
  /** After each page, with what has gone so far. */
  readonly onPage?: (pruned: Pruned) => Promise<void>;
}

export interface Pruned {
  /** Attempts whose log has gone, and its bytes. */
  readonly logs: number;
  readonly log_bytes: number;
  readonly events: number;
  /** Stored answers under idempotency keys, which count for a day. */
  readonly answers: number;
}

const [attemptsAPage, eventsAPage] = [2_000, 5_000];

/**
 * Removes entries beyond their retention, but never history. Each page is a transaction of its own with a row in
 * `prunings`, so it may be interrupted, and run again, at any time. Takes the owner's role.
 *
 * @throws OsaError `conflict` (not migrated), `access_denied` (another role), `unavailable`
 */
export async function prune(database: Database, pruning: Pruning): Promise<Pruned> {
  await requireMigrated(database);
  await requireOwner(database, pruning);
  let pruned: Pruned = { logs: 0, log_bytes: 0, events: 0, answers: 0 };
  const add = async (page: Partial<Pruned>) => {
    const sum = { ...pruned };
    for (const [name, count = 0] of Object.entries(page)) sum[name as keyof Pruned] += count;
    pruned = sum;
    await pruning.onPage?.(pruned);
  };
  const { logDays, eventDays, isPlan } = pruning;
  if (logDays !== undefined) await pruneLogs(database, { days: logDays, isPlan }, add);
  if (eventDays !== undefined) await pruneEvents(database, { days: eventDays, isPlan }, add);
  await add({ answers: await database.transaction((tx) => pruneAnswers(tx, isPlan)) });
  return pruned;
}

interface Part {
  readonly days: number;
  readonly isPlan: boolean;
}
type Add = (page: Partial<Pruned>) => Promise<void>;

/** Triggers refuse it to others; this says so before anything was done. */
async function requireOwner({ sql }: Database, { isPlan }: Pruning): Promise<void> {
  const [row] = await sql<{ may: boolean }[]>`
    select has_column_privilege('attempts', 'log_pruned_at', 'update') as may`;
  if (row?.may || isPlan) return;
  throw new OsaError(
    'access_denied',
    'this role may not remove anything; give the URL of the owner of the database (OSA_OWNER_DATABASE_URL or --database)',
    { field: 'OSA_OWNER_DATABASE_URL' },
  );
}

interface AttemptPage {
  readonly run: string;
  readonly n: number;
  readonly looked: number;
  readonly logs: number;
  readonly bytes: number;
}

/** Attempts in the order of their key, which is about that of their times. */
async function pruneLogs(database: Database, { days, isPlan }: Part, add: Add): Promise<void> {
  for (let after = { run: '00000000-0000-0000-0000-000000000000', n: 0 }; ; ) {
    const page = await database.transaction(async (tx) => {
      await useIndexLookups(tx);
      const [found] = await tx<AttemptPage[]>`
        with looked as materialized (
          select run, n, coalesce(octet_length(log), 0) as bytes,
                 octet_length(log) > 0 and finished_at < now() - make_interval(days => ${days}) as is_due
          from attempts where (run, n) > (${after.run}::text::uuid, ${after.n}::integer) order by run, n limit ${attemptsAPage}
        ), removed as (
          update attempts a set log = null, log_pruned_at = now()
          from looked l where l.is_due and not ${isPlan} and a.run = l.run and a.n = l.n
          returning a.run
        ), noted as (
          insert into prunings (kind, before, count, bytes)
          select 'logs', now() - make_interval(days => ${days}), count(*), sum(bytes)
          from looked where is_due and not ${isPlan} having count(*) > 0
        )
        select l.run, l.n, counted.* from (
          select count(*)::integer as looked, count(*) filter (where is_due)::integer as logs,
                 coalesce(sum(bytes) filter (where is_due), 0)::float8 as bytes from looked) counted
        left join lateral (select run, n from looked order by run desc, n desc limit 1) l on true`;
      return found;
    });
    if (!page || page.looked === 0) return;
    await add({ logs: page.logs, log_bytes: page.bytes });
    after = page;
  }
}

interface EventPage {
  readonly seqs: string[];
  readonly events: string[];
  readonly last: string | null;
}

async function pruneEvents(database: Database, { days, isPlan }: Part, add: Add): Promise<void> {
  for (let after = '0'; ; ) {
    const page = await database.transaction(async (tx) => {
      await useIndexLookups(tx);
      const [found] = await tx<EventPage[]>`
        with looked as materialized (
          select seq, event from event_order
          where seq > ${after}::text::bigint
            and seq < (select max(seq) from event_order)
            and seq <= (select coalesce(min(seq), 9223372036854775807) from deliveries)
          order by seq limit ${eventsAPage}
        ), due as (
          select l.seq, l.event from looked l
          cross join lateral (select type, at from events where id = l.event offset 0) e
          where is_notice(e.type) and e.at < now() - make_interval(days => ${days})
        )
        select array(select seq::text from due order by seq) as seqs, array(select event::text from due order by seq) as events,
               (select max(seq) from looked)::text as last`;
      if (found && !isPlan) await removeEvents(tx, found, days);
      return found;
    });
    if (!page || page.last === null) return;
    await add({ events: page.seqs.length });
    after = page.last;
  }
}

/** The place first: it refers to the event. */
async function removeEvents(tx: Transaction, { seqs, events }: EventPage, days: number): Promise<void> {
  if (seqs.length === 0) return;
  await tx`select set_config('osa.pruning', 'events', true)`;
  await tx`delete from event_order where seq = any (${arrayText(seqs)}::text::bigint[])`;
  await tx`delete from events where id = any (${arrayText(events)}::text::bigint[])`;
  await tx`
    insert into prunings (kind, before, count, last_seq)
    values ('events', now() - make_interval(days => ${days}), ${seqs.length}, ${seqs.at(-1) ?? null}::text::bigint)`;
}

async function pruneAnswers(tx: Transaction, isPlan: boolean): Promise<number> {
  const [row] = isPlan
    ? await tx<{ count: number }[]>`
        select count(*)::integer as count from idempotency_keys where at < now() - interval '1 day'`
    : await tx<{ count: number }[]>`
        with gone as (delete from idempotency_keys where at < now() - interval '1 day' returning at), noted as (
          insert into prunings (kind, before, count)
          select 'answers', now() - interval '1 day', count(*) from gone having count(*) > 0)
        select count(*)::integer as count from gone`;
  return row?.count ?? 0;
}
