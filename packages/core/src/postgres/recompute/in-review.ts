import type { ClaimedBatch } from '../../hook/registry.ts';
import type { Transaction } from '../connection/connect.ts';
import { claimAgain } from '../queue/claim-again.ts';

/** How many batches are taken back before others are claimed. */
const mostTaken = 20;

/**
 * Takes depositions back from review whose answers a selected release gave: approved later, they would bring rows of it
 * after the recompute has ended. They are validated again, under the release that is live then. Those that were there
 * before are looked for until the first walk has moved; those that ran when the recompute began, when their walks
 * are waited for. False once there are none; those that reviewers decide about at this moment are still there.
 */
export async function takeBackFromReview(tx: Transaction, recompute: string): Promise<boolean> {
  const found = await tx<(ClaimedBatch & { hook: string })[]>`
    select distinct on (b.id) b.id as batch, r.id as run, b.ingestion, b.recompute, b.convention, c.hook, r.version
    from (select * from recomputes where id = ${recompute} and not is_list offset 0) c
    cross join lateral (
      (select batch as id from (
         select only_run from recompute_walks
         where recompute = c.id and only_run is not null and done_at is null offset 0) w
       cross join lateral (select batch from runs where id = w.only_run offset 0) run
       cross join lateral (select from batches where id = run.batch and status = 'held' offset 0) b)
      union all
      (select id from batches
       where status = 'held' and snapshot_at is not null and finished_at is null
         and not exists (
           select from recompute_walks
           where recompute = c.id
             and (done_at is not null or coalesce(after_run::text, after_record::text, after_source) is not null)))) h
    cross join lateral (select id, ingestion, recompute, convention from batches where id = h.id offset 0) b
    cross join lateral (
      select id, version from runs where batch = b.id and hook = c.hook and version = any (c.releases) offset 0) r
    where c.convention is null or b.convention = c.convention
    order by b.id limit ${mostTaken}`;
  const [first] = found;
  if (!first) return false;
  const reason = `v${first.version} of ${first.hook}, which had answered, is computed again by recompute ${recompute}`;
  await claimAgain(tx, found, reason);
  return true;
}
