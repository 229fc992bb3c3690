import type { ClaimedBatch } from '../../hook/registry.ts';
import type { Transaction } from '../connection/connect.ts';
import { claimAgain } from '../queue/claim-again.ts';

/** How many batches are taken back before others are claimed. */
const mostTaken = 4;

/**
 * Takes depositions back from review that one of the runs which this recompute waits for has brought there: approved
 * later, they would bring back rows of a release that was left. They are validated again, under the release that is live
 * then. False once there are none; those that reviewers decide about at this moment are still there.
 */
export async function takeBackFromReview(tx: Transaction, recompute: string): Promise<boolean> {
  const found = await tx<(ClaimedBatch & { hook: string })[]>`
    select b.id as batch, r.id as run, b.ingestion, b.recompute, b.convention, r.hook, r.version
    from (
      select only_run from recompute_walks
      where recompute = ${recompute} and only_run is not null and done_at is null order by position offset 0) w
    cross join lateral (select id, batch, hook, version from runs where id = w.only_run offset 0) r
    cross join lateral (
      select id, ingestion, recompute, convention from batches where id = r.batch and status = 'held' offset 0) b
    limit ${mostTaken}`;
  const [first] = found;
  if (!first) return false;
  await claimAgain(tx, found, `what ${first.hook} had answered is computed again by recompute ${recompute}`);
  return true;
}

/**
 * Has the recompute wait for runs of selected releases that it does not wait for yet: such a release may have been live
 * again while the recompute was stopped or paused. Runs of the live release are left out. False where there are none.
 */
export async function waitForOthers(tx: Transaction, recompute: string): Promise<boolean> {
  const added = await tx`
    insert into recompute_walks (recompute, position, version, only_run)
    select c.id, c.last + row_number() over (order by r.id), r.version, r.id
    from (
      select *, (select max(position) from recompute_walks where recompute = ${recompute}) as last
      from recomputes where id = ${recompute} and not is_list offset 0) c
    cross join lateral (select live_version from hooks where name = c.hook offset 0) h
    cross join lateral (
      select id, convention from batches where snapshot_at is not null and finished_at is null offset 0) b
    cross join lateral (
      select id, version from runs
      where batch = b.id and hook = c.hook and version = any (c.releases) and version is distinct from h.live_version
      offset 0) r
    where (c.convention is null or b.convention = c.convention)
      and not exists (select from recompute_walks where recompute = c.id and only_run = r.id)
    returning position`;
  return added.length > 0;
}
