import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import type { Claim, Claimant } from '../../run/queue.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { isConnectionLost, isLockTimeout } from '../connection/sqlstate.ts';
import { advanceRecomputes } from '../recompute/advance.ts';
import { recomputeSnapshot } from '../recompute/snapshot.ts';
import { abandonAttempts } from './attempts.ts';
import { type Candidate, lockCandidate } from './candidate.ts';
import { endBatches } from './end.ts';
import { useIndexLookups } from './plans.ts';
import { setAside } from './set-aside.ts';
import { readClaim, snapshot } from './snapshot.ts';

/** How often a worker may be lost with a batch. A few losses are accidents; one a batch that ends its workers. */
const maxLost = 10;

/** How long a claim waits for a lock that a deploy, a rollback or a pause holds, before it looks for other work. */
const patienceMs = 500;

/** Takes the oldest batch that may run, and chooses its releases where it has none yet. */
export async function claim(database: Database, worker: Claimant): Promise<Claim | undefined> {
  // Conventions that somebody holds: one stuck deploy must not hold up the others.
  const busy: string[] = [];
  await advanceRecomputes(database, worker);
  for (;;) {
    await failpoint('claim.before');
    const outcome = await claimOne(database, worker, busy);
    if (outcome === 'none') return undefined;
    await failpoint('claim.after-commit');
    if (outcome !== 'passed over') return load(database, outcome);
  }
}

type Outcome = Held | 'none' | 'passed over';

/**
 * A batch whose locks cannot be had is passed over, and its convention becomes one of the busy. One whose claim fails in
 * any other way is set aside, so that it holds up nothing else.
 */
async function claimOne(database: Database, worker: Claimant, busy: string[]): Promise<Outcome> {
  let candidate: Candidate | undefined;
  try {
    return await database.transaction(async (tx) => {
      candidate = await lockCandidate(tx, worker, { busy, patienceMs });
      return candidate ? await takeUp(tx, worker, candidate) : 'none';
    });
  } catch (error) {
    if (!candidate || isConnectionLost(error)) throw error;
    if (isLockTimeout(error)) {
      busy.push(candidate.convention);
      return 'passed over';
    }
    // Where this cannot be stored either, the claim's own error counts.
    const failure = await setAside(database, candidate, error).catch(() => undefined);
    if (!failure) throw error;
    worker.claimFailed?.(failure);
    return 'passed over';
  }
}

/** A batch is passed over when it turns out, under the locks, that it must wait or has come to its end. */
async function takeUp(tx: Transaction, worker: Claimant, candidate: Candidate): Promise<Outcome> {
  await failpoint('claim.mid');
  if (candidate.lost >= maxLost) {
    const reason = `${candidate.lost} workers were lost while they ran it`;
    await endBatches(tx, [candidate.id], { ended: 'the batch was given up', reason });
    return 'passed over';
  }
  const mayRun = candidate.hasSnapshot
    ? await isFree(tx, candidate)
    : (await isOpen(tx, candidate)) && (await takeSnapshot(tx, candidate, worker.runtimes));
  if (!mayRun) return 'passed over';
  if (candidate.hasSnapshot) await abandonAttempts(tx, [candidate.id]);
  await failpoint('claim.after-snapshot');
  return take(tx, candidate.id, worker);
}

function takeSnapshot(
  tx: Transaction,
  candidate: Candidate,
  runtimes: Claimant['runtimes'],
): Promise<boolean> {
  const { id, convention, recompute } = candidate;
  if (recompute === null) return snapshot(tx, candidate, runtimes);
  return recomputeSnapshot(tx, { id, convention, recompute }, runtimes);
}

/** Whether nobody has paused what the batch is of. The lock makes a pause a barrier: it waits for us, or we see it. */
async function isOpen(tx: Transaction, { ingestion, recompute }: Candidate): Promise<boolean> {
  const of =
    recompute === null ? tx`ingestions where id = ${ingestion}` : tx`recomputes where id = ${recompute}`;
  const [row] = await tx<{ paused: boolean }[]>`select paused_at is not null as paused from ${of} for share`;
  return row?.paused === false;
}

/** The same for a batch whose hooks were chosen earlier: none of them is paused either. */
async function isFree(tx: Transaction, candidate: Candidate): Promise<boolean> {
  if (!(await isOpen(tx, candidate))) return false;
  const hooks = await tx<{ paused: boolean }[]>`
    select paused_at is not null as paused from hooks
    where name in (select hook from runs where batch = ${candidate.id}) order by name collate "C" for share`;
  return hooks.every((hook) => !hook.paused);
}

interface Held {
  readonly batch: string;
  readonly fence: string;
}

async function take(
  tx: Transaction,
  id: string,
  { name, leaseMs }: { readonly name: string; readonly leaseMs: number },
): Promise<Held> {
  const [row] = await tx<Held[]>`
    update batches
    set status = 'running', fence = fence + 1, claimed_by = ${name}, reason = null, claim_failures = 0,
        lost = lost + (status = 'running')::integer,
        lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond',
        snapshot_at = coalesce(snapshot_at, clock_timestamp())
    where id = ${id} returning id as batch, fence`;
  if (!row) throw new OsaError('internal', `batch ${id} is locked and not there`);
  return row;
}

/** Reads what was claimed. None of it changes any more, so it is read after the claim's transaction. */
function load(database: Database, held: Held): Promise<Claim> {
  return database.transaction(
    async (tx) => {
      await useIndexLookups(tx);
      return readClaim(tx, held);
    },
    { readOnly: true },
  );
}
