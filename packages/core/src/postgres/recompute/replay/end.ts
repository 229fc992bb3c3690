import { OsaError } from '../../../error.ts';
import type { NewCertificate } from '../../../recompute/replay/replays.ts';
import type { Lease } from '../../../run/queue.ts';
import type { Database, Transaction } from '../../connection/connect.ts';
import { isCommitUnknown } from '../../connection/sqlstate.ts';
import { waitingForAll } from '../../lock-wait.ts';
import { leaseLost } from '../../queue/lease.ts';
import { useIndexLookups } from '../../queue/plans.ts';

/** Writes the certificates and ends the part. */
export async function finish(
  database: Database,
  lease: Lease,
  certificates: readonly NewCertificate[],
): Promise<void> {
  try {
    await database.transaction((tx) => write(tx, lease, certificates));
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    await requireCommitted(database, lease, error);
  }
}

async function write(tx: Transaction, lease: Lease, certificates: readonly NewCertificate[]): Promise<void> {
  await useIndexLookups(tx);
  const ended = await end(tx, lease, { status: 'done', reason: null });
  await tx`
    insert into replay_certificates (part, run, outcome, verdict, reason, engine, architecture, resolved_digest,
                                     platform_digest, stored_digest, made_digest, differing, columns, examples)
    select ${lease.batch}, ${ended.run}, c.outcome, c.verdict, c.reason, c.engine, c.architecture, c."resolvedDigest",
           c."platformDigest", c."storedDigest", c."madeDigest", c.differing, c.columns, c.examples
    from json_to_recordset(${JSON.stringify(certificates)}::text::json) as c (
      outcome bigint, verdict text, reason text, engine text, architecture text, "resolvedDigest" text,
      "platformDigest" text, "storedDigest" text, "madeDigest" text, differing integer[], columns text[], examples jsonb)`;
  await tellEnd(tx, ended.replay);
}

/** Ends the part without certificates. */
export async function giveUp(database: Database, lease: Lease, reason: string): Promise<void> {
  await database.transaction(async (tx) => {
    const { replay } = await end(tx, lease, { status: 'failed', reason });
    await tellEnd(tx, replay);
  });
}

/** The first lock is that of the part, by the statement that checks the lease: a stale worker writes nothing. */
async function end(
  tx: Transaction,
  { batch, fence }: Lease,
  { status, reason }: { readonly status: 'done' | 'failed'; readonly reason: string | null },
): Promise<{ readonly replay: string; readonly run: string }> {
  const [ended] = await tx<{ replay: string; run: string }[]>`
    update replay_parts
    set status = ${status}, lease_until = null, finished_at = clock_timestamp(), reason = ${reason}
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    returning replay, run`;
  return ended ?? lost(batch);
}

function lost(part: string): never {
  throw leaseLost(part);
}

/** The parts of one replay take turns, so that the last one knows that it is. */
async function tellEnd(tx: Transaction, replay: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtext('osa.replay'), hashtext(${replay}))`;
  const [open] = await tx`select from replay_parts where replay = ${replay} and finished_at is null limit 1`;
  if (open) return;
  await tx`insert into events (type, payload) values ('replay.finished', ${tx.json({ replay })}::jsonb)`;
}

/** The lock waits for a COMMIT that the server may still be working on. */
async function requireCommitted(database: Database, { batch, fence }: Lease, cause: unknown): Promise<void> {
  const [row] = await database.sql<{ status: string; fence: string }[]>`
    select status, fence from replay_parts where id = ${batch} for share`;
  if (row?.status === 'done' && row.fence === fence) return;
  throw new OsaError('unavailable', `replay part ${batch}: the connection was lost before its commit`, {
    cause,
  });
}

/** Ends the parts that have not ended. A worker that runs one of them has lost its lease. Says whether there was any. */
export async function cancel(tx: Transaction, replay: string, reason: string): Promise<boolean> {
  await useIndexLookups(tx);
  const open = await waitingForAll(
    tx,
    `a part of replay ${replay}, which is claimed or written`,
    () => tx<{ id: string }[]>`
      select id from replay_parts where replay = ${replay} and finished_at is null
      order by id for no key update`,
  );
  if (open.length === 0) return false;
  await tx`
    update replay_parts
    set status = 'cancelled', lease_until = null, finished_at = clock_timestamp(), reason = ${reason}
    where replay = ${replay} and finished_at is null`;
  return true;
}
