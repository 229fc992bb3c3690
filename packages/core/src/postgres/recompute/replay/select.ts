import type { DrawnResult, LocatedRow, Population, ReplayedRun } from '../../../recompute/replay/replays.ts';
import { arrayText } from '../../array.ts';
import type { Sql, Transaction } from '../../connection/connect.ts';
import { isShown } from '../../deposition/private.ts';
import { useIndexLookups } from '../../queue/plans.ts';

/** The results of published rows. A hook and its table are made together. */
export async function locate(
  tx: Transaction,
  hook: string,
  ids: readonly number[],
): Promise<readonly LocatedRow[]> {
  const [known] = await tx`select from hooks where name = ${hook}`;
  if (!known) return [];
  await useIndexLookups(tx);
  return tx<LocatedRow[]>`
    select f.id::float8 as id, o.run, ${hook}::text as hook, o.id as outcome
    from unnest(${arrayText(ids)}::text::bigint[]) as asked (id)
    cross join lateral (select id, outcome_id from ${tx(`features.${hook}`)} where id = asked.id offset 0) f
    cross join lateral (select id, run, batch_record from outcomes where id = f.outcome_id offset 0) o
    cross join lateral (select from records where batch_record = o.batch_record offset 0) r
    order by o.run, o.id`;
}

export async function replayedRun(tx: Transaction, id: string): Promise<ReplayedRun | undefined> {
  await useIndexLookups(tx);
  const [run] = await tx<ReplayedRun[]>`
    select hook, finished_at is not null as "isOver", output_digest is not null as "hasOutput",
           array(
             select o.id::text
             from (select id, batch_record from outcomes where run = runs.id and status <> 'errored' offset 0) o
             cross join lateral (select from records where batch_record = o.batch_record offset 0) r
             order by o.batch_record) as outcomes
    from runs where id = ${id} and ${isShown(tx, tx`runs.batch`)}`;
  return run;
}

/** The runs with published rows, of hooks that are not paused. */
function population(sql: Sql, { hook, version }: Population) {
  return sql`
    select r.id, r.hook, r.published_records::bigint as n
    from (select name from hooks where paused_at is null and (${hook}::text is null or name = ${hook}) offset 0) h
    cross join lateral (
      select id, hook, published_records from runs
      where hook = h.name and (${version}::integer is null or version = ${version}) and published_records > 0 offset 0) r`;
}

export async function countPopulation(tx: Transaction, of: Population): Promise<number> {
  await useIndexLookups(tx);
  const [row] = await tx<{ total: number }[]>`
    select coalesce(sum(n), 0)::float8 as total from (${population(tx, of)}) p`;
  return row?.total ?? 0;
}

/**
 * The results at these places: a run has as many as it published, and they stand in the order of their records. The run of
 * a place is found by a binary search, and the result within its run alone.
 */
export async function draw(
  tx: Transaction,
  of: Population,
  places: readonly number[],
): Promise<readonly DrawnResult[]> {
  if (places.length === 0) return [];
  return tx<DrawnResult[]>`
    with counted as materialized (
      select array_agg(id order by id) as ids, array_agg(hook order by id) as hooks, array_agg(first order by id) as firsts
      from (
        select id, hook, (sum(n) over (order by id) - n)::bigint as first from (${population(tx, of)}) p) c)
    select c.ids[w.run] as run, c.hooks[w.run] as hook, o.id as outcome
    from counted c
    cross join unnest(${arrayText(places)}::text::bigint[]) as p (place)
    cross join lateral (select width_bucket(p.place, c.firsts) as run) w
    cross join lateral (
      select id from outcomes
      where run = c.ids[w.run] and status = 'passed'
        and exists (select from records where batch_record = outcomes.batch_record)
      order by batch_record offset p.place - c.firsts[w.run] limit 1) o
    order by run, outcome`;
}

export async function pausedHooks(
  tx: Transaction,
  hooks: readonly string[],
): Promise<readonly { readonly hook: string; readonly reason: string | null }[]> {
  return tx<{ hook: string; reason: string | null }[]>`
    select name as hook, pause_reason as reason from hooks
    where name = any (${arrayText(hooks)}::text::text[]) and paused_at is not null order by name`;
}
