import { v7 as uuid7 } from 'uuid';
import type { Answer } from '../../../api/index.ts';
import { OsaError } from '../../../error.ts';
import type { Page } from '../../../hook/registry.ts';
import type { NewReplay, Replay, ReplayReads, ReplayWrites } from '../../../recompute/replay/replays.ts';
import { arrayText } from '../../array.ts';
import type { Database, Sql, Transaction } from '../../connection/connect.ts';
import { pagesOf } from '../../cursor.ts';
import { batchesChannel } from '../../queue/lease.ts';
import { certificates, certificatesOfRow } from './certificates.ts';
import { cancel } from './end.ts';
import { isPartStartable } from './queue.ts';
import { countPopulation, draw, locate, pausedHooks, replayedRun } from './select.ts';

export function replayWrites(tx: Transaction, actor: number): ReplayWrites {
  return {
    locate: (hook, ids) => locate(tx, hook, ids),
    run: (id) => replayedRun(tx, id),
    count: (population) => countPopulation(tx, population),
    draw: (population, places) => draw(tx, population, places),
    paused: (hooks) => pausedHooks(tx, hooks),
    countOpen: (most) => countOpen(tx, most),
    create: (replay) => create(tx, actor, replay),
    view: (id) => show(tx, id),
    cancel: (id, reason) => cancel(tx, id, reason),
  };
}

export function replayReads({ sql }: Pick<Database, 'sql'>): ReplayReads {
  return {
    show: (id) => show(sql, id),
    list: (page) => list(sql, page),
    certificates: (id, query) => certificates(sql, id, query),
    ofRow: (row, page) => certificatesOfRow(sql, row, page),
  };
}

async function countOpen(tx: Transaction, most: number): Promise<number> {
  const [row] = await tx<{ open: number }[]>`
    select count(*)::integer as open from (select from replay_parts where finished_at is null limit ${most}) p`;
  return row?.open ?? 0;
}

async function create(tx: Transaction, actor: number, given: NewReplay): Promise<Replay> {
  const id = uuid7();
  const { kind, hook, version, sample, seed, reason } = given;
  await tx`
    insert into replays (id, kind, hook, version, sample, seed, reason, actor)
    values (${id}, ${kind}, ${hook}, ${version}, ${sample}, ${seed}, ${reason}, ${actor})`;
  const parts = given.parts.map((part) => ({ ...part, id: uuid7() }));
  await tx`
    insert into replay_parts (id, replay, position, run, whole)
    select part, ${id}, n - 1, run, whole
    from unnest(${arrayText(parts.map((part) => part.id))}::text::uuid[],
                ${arrayText(parts.map((part) => part.run))}::text::uuid[],
                ${arrayText(parts.map((part) => String(part.whole)))}::text::boolean[])
      with ordinality as p (part, run, whole, n)`;
  const outcomes = parts.flatMap((part) => part.outcomes.map((outcome) => ({ part: part.id, outcome })));
  await tx`
    insert into replay_outcomes (part, outcome)
    select part, outcome
    from unnest(${arrayText(outcomes.map(({ part }) => part))}::text::uuid[],
                ${arrayText(outcomes.map(({ outcome }) => outcome))}::text::bigint[]) as o (part, outcome)`;
  await tx`select pg_notify(${batchesChannel}, '')`;
  const made = await show(tx, id);
  if (!made) throw new OsaError('internal', `replay ${id} was stored and is not there`);
  return made;
}

/** Replays with their verdicts. The parts are read by `replay`, and of each its results and certificates. */
function views(sql: Sql) {
  return sql`
    select c.id, c.kind, c.hook as hook_name, c.version, c.sample, c.seed, c.reason,
           case when p.is_done then p.ended when p.is_begun then 'running' else 'queued' end as status,
           case when c.kind = 'run' then p.run end as run_id,
           p.results, p.identical, p.differs, p.cannot, p.output, p.releases, p.reasons,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as started_by,
           c.created_at as started_at, case when p.is_done then p.finished_at end as finished_at
    from replays c
    cross join lateral (select issuer, subject from actors where id = c.actor offset 0) a
    cross join lateral (
      select bool_and(is_done) as is_done, bool_or(is_begun) as is_begun,
             case when bool_or(is_cancelled) then 'cancelled' when bool_or(is_failed) then 'failed' else 'done' end as ended, max(finished_at) as finished_at,
             min(run::text) as run, sum(results)::integer as results, sum(identical)::integer as identical,
             sum(differs)::integer as differs, sum(cannot)::integer as cannot, min(output) as output,
             jsonb_agg(jsonb_build_object(
               'hook_name', hook, 'version', version, 'results', results, 'identical', identical, 'differs', differs,
               'cannot', cannot) order by hook, version) as releases,
             coalesce(array_agg(distinct reason) filter (where reason is not null), '{}') as reasons
      from (
        select r.hook, r.version, bool_and(w.finished_at is not null) as is_done, bool_or(w.fence > 0) as is_begun,
               bool_or(w.status = 'cancelled') as is_cancelled, bool_or(w.status = 'failed') as is_failed,
               max(w.finished_at) as finished_at, min(w.run::text) as run, sum(n.results)::integer as results,
               sum(v.identical)::integer as identical, sum(v.differs)::integer as differs,
               sum(v.cannot)::integer as cannot, min(v.output) as output,
               min(case when w.finished_at is null then coalesce(w.reason, h.pause, s.reason) else w.reason end) as reason
        from (select * from replay_parts where replay = c.id offset 0) w
        cross join lateral (select hook, version from runs where id = w.run offset 0) r
        cross join lateral (
          select case when paused_at is not null then format('hook %s is paused', name) || coalesce(': ' || pause_reason, '') end
            as pause from hooks where name = r.hook offset 0) h
        cross join lateral (
          select case when w.status = 'queued' and not ${isPartStartable(sql, sql`r.hook`, sql`r.version`)}
            then 'waits for a worker' end as reason offset 0) s
        cross join lateral (select count(*) as results from replay_outcomes where part = w.id offset 0) n
        cross join lateral (
          select count(*) filter (where outcome is not null and verdict = 'identical') as identical,
                 count(*) filter (where outcome is not null and verdict = 'differs') as differs,
                 count(*) filter (where outcome is not null and verdict = 'cannot') as cannot,
                 min(verdict) filter (where outcome is null) as output
          from replay_certificates where part = w.id offset 0) v
        group by r.hook, r.version) g) p`;
}

async function show(sql: Sql, id: string): Promise<Replay | undefined> {
  const [row] = await sql<Replay[]>`${views(sql)} where c.id = ${id}`;
  return row;
}

const pages = pagesOf('listReplays');

async function list(sql: Sql, { cursor, limit }: Page): Promise<Answer<'listReplays'>> {
  const before = pages.after(cursor);
  const rows = await sql<Replay[]>`
    ${views(sql)}
    where ${before ? sql`c.id < ${String(before.id)}::uuid` : sql`true`}
    order by c.id desc limit ${limit + 1}`;
  const { page, next_cursor } = pages.cut(rows, limit, ({ id }) => ({ s: null, id }));
  return { items: page, next_cursor };
}
