import { v7 as uuid7 } from 'uuid';
import type { Runtime } from '../../hook/release.ts';
import type { Transaction } from '../connection/connect.ts';
import { lockHooks, mayRun } from '../queue/snapshot.ts';

/**
 * Takes the snapshot of the one hook that is recomputed, as an ingestion's batch does: its row is locked, and the live
 * version is read from it. Then each source is resolved: its newest published version, and the outcome that is current
 * for it. The gates keep both true until the commit. A record is overtaken when that outcome is of the live release
 * already, or of none of the selected ones.
 */
export async function recomputeSnapshot(
  tx: Transaction,
  {
    id,
    convention,
    recompute,
  }: { readonly id: string; readonly convention: string; readonly recompute: string },
  runtimes: readonly Runtime[],
): Promise<boolean> {
  const [{ hook: name } = { hook: '' }] = await tx<{ hook: string }[]>`
    select hook from recomputes where id = ${recompute}`;
  const hooks = await lockHooks(tx, [name]);
  if (!(await mayRun(tx, id, hooks, runtimes))) return false;
  await tx`
    insert into runs (id, batch, hook, version)
    select ${uuid7()}, ${id}, name, live_version from hooks where name = ${name}`;
  await tx`
    update recompute_records c
    set batch_record = n.batch_record, current_outcome = n.outcome,
        status = case when n.is_wanted then 'pending' else 'overtaken' end
    from (
      select c.batch, c.source_id, r.batch_record, o.id as outcome,
             case when o.id is null then s.with_missing
               else run.version <> h.live_version and run.version = any (s.releases) end as is_wanted
      from (select batch, source_id from recompute_records where batch = ${id} and status = 'pending' offset 0) c
      cross join lateral (
        select record_id from sources where convention = ${convention} and source_id = c.source_id offset 0) p
      cross join lateral (
        select batch_record from records where record_id = p.record_id order by version desc limit 1) r
      cross join lateral (select releases, with_missing from recomputes where id = ${recompute} offset 0) s
      cross join lateral (select live_version from hooks where name = ${name} offset 0) h
      left join lateral (
        select id, run from outcomes
        where batch_record = r.batch_record and hook = ${name} and superseded_by is null and status <> 'errored' limit 1) o
        on true
      left join lateral (select version from runs where id = o.run offset 0) run on true) n
    where c.batch = n.batch and c.source_id = n.source_id`;
  await tx`
    update batches
    set unchanged = (select count(*) from recompute_records where batch = ${id} and status = 'overtaken') where id = ${id}`;
  return true;
}
