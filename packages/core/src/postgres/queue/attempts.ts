import type { AttemptEnd, Lease } from '../../run/queue.ts';
import { arrayText } from '../array.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { leaseLost } from './lease.ts';

/** Requires the lease; the batch stays locked against claims. @throws OsaError `lease_lost` */
export async function startAttempt(
  { sql }: Database,
  { batch, fence }: Lease,
  { run, memoryBytes, runner }: { run: string; memoryBytes: number; runner: string },
): Promise<{ n: number; startedAt: string }> {
  const [row] = await sql<{ n: number; startedAt: string }[]>`
    insert into attempts (run, n, fence, memory_bytes, runner)
    select ${run}, coalesce((select max(n) from attempts where run = ${run}), 0) + 1, fence, ${memoryBytes}, ${runner}
    from batches
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    for share
    returning n, started_at as "startedAt"`;
  if (!row) throw leaseLost(batch);
  return row;
}

/**
 * An attempt that another claim has declared abandoned stays so. The whole log replaces the part that was kept while it
 * ran.
 */
export async function endAttempt(
  { sql }: Database,
  { run, n }: { run: string; n: number },
  end: AttemptEnd,
): Promise<void> {
  await sql`
    with ended as (
      update attempts
      set finished_at = clock_timestamp(), ending = ${end.ending}, resolved_digest = ${end.resolvedDigest},
          platform_digest = ${end.platformDigest}, exit_code = ${end.exitCode}, exit_signal = ${end.exitSignal},
          detail = ${end.detail}, log = ${end.log === null ? null : Buffer.from(end.log)}, log_bytes = ${end.logBytes}
      where run = ${run} and n = ${n} and finished_at is null
    )
    delete from running_logs where run = ${run} and attempt = ${n}`;
}

export async function keepLog(
  { sql }: Database,
  { run, n }: { run: string; n: number },
  { tail, bytes }: { readonly tail: Uint8Array; readonly bytes: number },
): Promise<void> {
  await sql`
    insert into running_logs (run, attempt, tail, bytes)
    select run, n, ${Buffer.from(tail)}, ${bytes} from attempts
    where run = ${run} and n = ${n} and finished_at is null
    for share
    on conflict (run, attempt) do update set tail = excluded.tail, bytes = excluded.bytes`;
}

/** Ends attempts whose worker is gone; the kept tail becomes their log. */
export async function abandonAttempts(tx: Transaction, batches: readonly string[]): Promise<void> {
  const ids = arrayText(batches);
  await tx`
    update attempts a
    set ending = 'abandoned', finished_at = clock_timestamp(),
        log = (select l.tail from running_logs l where l.run = a.run and l.attempt = a.n),
        log_bytes = (select l.bytes from running_logs l where l.run = a.run and l.attempt = a.n)
    where finished_at is null and run in (select id from runs where batch = any (${ids}::text::uuid[]))`;
  await tx`delete from running_logs where run in (select id from runs where batch = any (${ids}::text::uuid[]))`;
}
