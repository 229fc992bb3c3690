import type postgres from 'postgres';
import type { Answer } from '../../api/index.ts';
import type { Sql, Transaction } from '../connection/connect.ts';
import { waitingFor } from '../lock-wait.ts';
import { batchesChannel } from '../queue/lease.ts';
import { utc } from '../wire.ts';

/** Names the lock of a hook that operators wait for. */
export function hookLock(hook: string): string {
  return `hook ${hook}, for a claim, a deploy or a release`;
}

type Pause = { readonly reason: string | null } | null;

/**
 * Pauses a hook or ends its pause. The row's lock conflicts with that of claims, which makes it a barrier. It is taken
 * first, so that the time of the pause comes after every claim that did not see it.
 */
export async function setHookPause(
  tx: Transaction,
  actor: number,
  hook: string,
  pause: Pause,
): Promise<Answer<'pauseHook'> | undefined> {
  await waitingFor(tx, hookLock(hook), () => tx`select from hooks where name = ${hook} for no key update`);
  const changed = await tx`
    update hooks set ${pauseColumns(tx, actor, pause)}
    where name = ${hook} and (paused_at is null) = ${pause !== null} returning name`;
  const [row] = await tx<Omit<Answer<'pauseHook'>, 'changed'>[]>`
    select h.name as hook_name, ${pausedJson(tx, tx`h`)} as paused from hooks h where h.name = ${hook}`;
  if (!row) return undefined;
  if (changed.length > 0) await wake(tx);
  return { ...row, changed: changed.length > 0 };
}

/** The same for an ingestion or a recompute; says whether that changed something. */
export async function setPauseOf(
  tx: Transaction,
  actor: number,
  kind: 'ingestion' | 'recompute',
  { id, pause }: { readonly id: string; readonly pause: Pause },
): Promise<boolean> {
  const table = tx(`${kind}s`);
  await waitingFor(
    tx,
    `${kind} ${id}, of which a batch is claimed`,
    () => tx`select from ${table} where id = ${id} for no key update`,
  );
  const changed = await tx`
    update ${table} set ${pauseColumns(tx, actor, pause)}
    where id = ${id} and (paused_at is null) = ${pause !== null} returning id`;
  if (changed.length > 0) await wake(tx);
  return changed.length > 0;
}

/** The pause of the row `of`, a hook, an ingestion or a recompute, as JSON. */
export function pausedJson(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`case when ${of}.paused_at is not null then (
    select jsonb_build_object('at', ${utc(sql, sql`${of}.paused_at`)}, 'reason', ${of}.pause_reason,
                              'by', jsonb_build_object('issuer', p.issuer, 'subject', p.subject))
    from actors p where p.id = ${of}.paused_by) end`;
}

/**
 * Reasons why the ingestion `of` waits, for people: pauses of hooks that would run over it, and of ingestions before it
 * that brought some of the same sources. It may also wait for the ingestions right before it, or for a worker that does
 * not come. A batch that failed passes on what it waited for.
 */
export function heldUp(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`array(
      select format('hook %s is paused', h.name) || coalesce(': ' || h.pause_reason, '')
      from convention_hooks c join hooks h on h.name = c.hook
      where c.slug = ${of}.convention and h.paused_at is not null order by c.position)
    || case when exists (select from ingestions where paused_at is not null) then array(
      with recursive ahead (id) as (
        select g.predecessor from batches w join batch_gates g on g.batch = w.id
        where w.ingestion = ${of}.id and w.status in ('queued', 'parked')
        union
        select g.predecessor from ahead a
        join batches p on p.id = a.id and p.status <> 'done'
        join batch_gates g on g.batch = p.id)
      select distinct format('waits behind ingestion %s, which is paused', p.id) || coalesce(': ' || p.pause_reason, '')
      from ahead a join batches b on b.id = a.id and b.status in ('queued', 'running', 'parked')
      join ingestions p on p.id = b.ingestion
      where p.paused_at is not null and p.id <> ${of}.id) else '{}' end
    || array(${waitsBehind(sql, of)})
    || array(${waitsForWorker(sql, of)})`;
}

/**
 * The ingestions whose unfinished batches hold up those of `of` that would be claimed next. Only the beginning of a
 * long queue is looked at, and a few ingestions are named.
 */
function waitsBehind(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`
    with recursive ahead (id) as (
      select g.predecessor
      from (select id from batches where ingestion = ${of}.id and status in ('queued', 'parked')
            order by index limit 20) w
      cross join lateral (select predecessor from batch_gates where batch = w.id limit 20) g
      union
      select g.predecessor from ahead a
      cross join lateral (select id from batches where id = a.id and status = 'failed' offset 0) p
      cross join lateral (select predecessor from batch_gates where batch = p.id limit 20) g)
    select format('waits behind %s %s, which came first with some of the same sources',
                  case when b.recompute is null then 'ingestion' else 'recompute' end, coalesce(b.recompute, b.ingestion))
           || case when c.paused then ', and is paused' || coalesce(': ' || c.pause_reason, '') else '' end
    from ahead a
    cross join lateral (
      select ingestion, recompute from batches
      where id = a.id and status in ('queued', 'running', 'parked') offset 0) b
    left join lateral (select paused_at from ingestions where id = b.ingestion offset 0) p on true
    left join lateral (
      select true as paused, pause_reason from recomputes
      where id = b.recompute and paused_at is not null offset 0) c on true
    where b.ingestion is distinct from ${of}.id and p.paused_at is null
    group by 1 order by 1 limit 3`;
}

/** Whether a batch could be claimed and was not, though nothing holds it up and no other one of its ingestion runs. */
function waitsForWorker(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`
    select format('waits for a worker with a free slot since %s', ${utc(sql, sql`w.available_at`)})
    from batches w
    where w.ingestion = ${of}.id and w.status = 'queued' and w.reason is null and ${of}.paused_at is null
      and w.available_at < clock_timestamp() - interval '10 seconds'
      and not exists (select from batches r where r.ingestion = ${of}.id and r.status = 'running')
      and not exists (select from convention_hooks c join hooks h on h.name = c.hook
                      where c.slug = ${of}.convention and h.paused_at is not null)
      and not exists (
        with recursive ahead (id) as (
          select predecessor from batch_gates where batch = w.id
          union
          select g.predecessor from ahead a
          cross join lateral (select id from batches where id = a.id and status = 'failed' offset 0) p
          cross join lateral (select predecessor from batch_gates where batch = p.id offset 0) g)
        select from ahead a
        cross join lateral (
          select id from batches where id = a.id and status in ('queued', 'running', 'parked') offset 0) p)
    order by w.available_at limit 1`;
}

function pauseColumns(tx: Transaction, actor: number, pause: Pause) {
  return pause
    ? tx`paused_at = clock_timestamp(), pause_reason = ${pause.reason}, paused_by = ${actor}`
    : tx`paused_at = null, pause_reason = null, paused_by = null`;
}

async function wake(tx: Transaction): Promise<void> {
  await tx`select pg_notify(${batchesChannel}, '')`;
}
