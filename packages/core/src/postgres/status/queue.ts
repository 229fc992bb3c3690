import type { Answer } from '../../api/index.ts';
import type { Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';

type Conventions = Answer<'status'>['queue']['conventions'];
type Why = Conventions[number]['waits'][number]['why'];

/** Batches of a convention that are in the same state for the same reason. */
export interface Waiting {
  readonly convention: string;
  readonly status: 'queued' | 'running' | 'parked';
  /** Null for those that run. */
  readonly why: Why | null;
  readonly batches: number;
  /** When the oldest came in. */
  readonly created_at: string;
  /** Since when the oldest could be claimed. */
  readonly available_at: string;
  readonly newest_available_at: string;
  readonly example: string | null;
}

export interface OpenBatches {
  /** Whether all open batches were counted. */
  readonly complete: boolean;
  readonly conventions: Conventions;
  /** The conventions of which a batch has just ended. */
  readonly moving: readonly string[];
  /** When the newest of the batches that run, or have just ended, could be claimed. */
  readonly newestRunningAt: string | null;
  readonly groups: readonly Waiting[];
}

/** The open batches that are counted, those that could be claimed first. */
const mostCounted = 50_000;

/** The queue by convention: what runs, what waits, and why. Depositions are counted, and nothing else is said of them. */
export async function openBatches(sql: Sql, most = mostCounted): Promise<OpenBatches> {
  const [rows, ended] = await Promise.all([countedGroups(sql, most), justEnded(sql)]);
  const groups = rows.map(({ seen: _, ...group }) => group);
  const running = groups.flatMap((group) => (group.status === 'running' ? [group.newest_available_at] : []));
  const newest = [...running, ...ended.map((batch) => batch.available_at)];
  return {
    complete: (rows[0]?.seen ?? 0) <= most,
    conventions: [...Map.groupBy(groups, ({ convention }) => convention)].map(([convention, states]) =>
      conventionOf(convention, states),
    ),
    moving: ended.map(({ convention }) => convention),
    newestRunningAt: newest.sort().at(-1) ?? null,
    groups,
  };
}

async function countedGroups(sql: Sql, most: number): Promise<readonly (Waiting & { seen: number })[]> {
  return sql<(Waiting & { seen: number })[]>`
    with closed as materialized (
      select array(
          select c.slug from convention_hooks c join hooks h on h.name = c.hook
          where h.paused_at is not null) as conventions,
        array(select id from ingestions where paused_at is not null) as ingestions
    ), open as materialized (
      select id, convention, ingestion, status, reason, created_at, available_at, claim_failures
      from batches where status in ('queued', 'running', 'parked')
      order by available_at, id limit ${most + 1}
    ), told as (
      select o.*, case
          when o.status = 'running' then null
          when o.ingestion = any ((select ingestions from closed)::uuid[])
            or o.convention = any ((select conventions from closed)::text[]) then 'paused'
          when o.claim_failures > 0 then 'claim_failures'
          when o.status = 'parked' and o.reason like 'no live release%' then 'no_live_release'
          when o.status = 'parked' then 'no_runner'
          when o.reason is not null then 'retry'
          when exists (
            select from batch_gates g
            cross join lateral (select finished_at from batches where id = g.predecessor offset 0) p
            where g.batch = o.id and p.finished_at is null) then 'earlier_batch'
          else 'worker' end as why
      from open o
    )
    select convention, status, why, count(*)::integer as batches, min(created_at) as created_at,
           min(available_at) as available_at, max(available_at) as newest_available_at, min(reason) filter (where ${isShown(sql, sql`told.id`)}) as example,
           (select count(*)::integer from open) as seen
    from told group by convention, status, why order by convention, status, why limit 10000`;
}

/**
 * Between two batches none runs for a moment, in which a queue that moves must not look as if it stood. Ends are found by their
 * events, which are in the order of time.
 */
async function justEnded(sql: Sql): Promise<readonly { convention: string; available_at: string }[]> {
  return sql<{ convention: string; available_at: string }[]>`
    with newest as materialized (
      select type, payload, at from events order by id desc limit 1000
    )
    select b.convention, max(b.available_at) as available_at
    from newest e
    cross join lateral (
      select convention, available_at from batches where id = (e.payload ->> 'batch')::uuid offset 0) b
    where e.type = 'batch.finished' and e.at > now() - interval '30 seconds'
    group by b.convention`;
}

function conventionOf(convention: string, states: readonly Waiting[]): Conventions[number] {
  const count = (status: Waiting['status']) =>
    states.reduce((sum, state) => sum + (state.status === status ? state.batches : 0), 0);
  const waiting = states.flatMap(({ why, ...state }) => (why === null ? [] : [{ ...state, why }]));
  const [oldest = null] = waiting.map(({ created_at }) => created_at).sort();
  return {
    convention,
    queued: count('queued'),
    running: count('running'),
    parked: count('parked'),
    oldest_at: oldest,
    waits: waiting.map(({ why, batches, available_at, example }) => ({
      ...{ why, batches, example },
      oldest_at: available_at,
    })),
  };
}
