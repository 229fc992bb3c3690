import type { NodeIdentity } from '../../record/srn.ts';
import type { BatchQueue } from '../../run/queue.ts';
import type { Database } from '../connection/connect.ts';
import { endAttempt, keepLog, startAttempt } from './attempts.ts';
import { claim } from './claim.ts';
import { finish } from './commit.ts';
import { stopIngestion } from './end.ts';
import { batchesChannel, giveBack, postpone, renew } from './lease.ts';

export interface QueueOptions extends NodeIdentity {
  /**
   * For what may take long: ending batches with all that is in them. Its own, so that claims and renewals, which are
   * quick or wrong, can have limits of some seconds.
   */
  readonly endings?: Database;
}

/**
 * The queue in PostgreSQL: `batches` with `skip locked`, a lease and a growing fence. All times are the database's.
 */
export function postgresQueue(database: Database, { endings = database, ...node }: QueueOptions): BatchQueue {
  return {
    claim: (worker) => claim(database, worker),
    renew: (lease, leaseMs) => renew(database, lease, leaseMs),
    startAttempt: (lease, attempt) => startAttempt(database, lease, attempt),
    keepLog: (attempt, log) => keepLog(database, attempt, log),
    endAttempt: (attempt, end) => endAttempt(database, attempt, end),
    finish: (held, results) => finish(endings, node, held, results),
    postpone: (lease, later) => postpone(database, lease, later),
    stopIngestion: (held, reason) => endings.transaction((tx) => stopIngestion(tx, held, reason)),
    giveBack: (workerName) => giveBack(database, workerName),
    watch: (wake) => database.listen(batchesChannel, (payload) => wake(payload || undefined)),
  };
}
