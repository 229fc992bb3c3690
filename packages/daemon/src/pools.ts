import { connect, type Database } from '@osa/core/postgres/connection/connect';
import type { DaemonConfig } from './config/config.ts';
import { defaultReadConnections } from './config/settings.ts';

/**
 * Six pools, so that no kind of work waits for another. Requests are quick. Reads may be long, and are cut when they are. An
 * upload may take minutes. A cancellation waits for no lock and for no upload, but may write much. Claims and
 * renewals are quick, so a silent connection is soon given up. The end of a batch writes much, and may wait for its
 * turn to publish.
 */
export const poolNames = ['requests', 'reads', 'uploads', 'cancellations', 'claims', 'endings'] as const;
export type PoolName = (typeof poolNames)[number];
export type Pools = { readonly [Name in PoolName]: Database };

/** Opens all pools; the stack closes them, the last one first. */
export function openPools(
  config: Pick<DaemonConfig, 'database' | 'worker'>,
  stack: AsyncDisposableStack,
): Pools {
  const opened = poolNames.map((name) => {
    return [name, stack.adopt(open(config, name), (database) => database.close())] as const;
  });
  return Object.fromEntries(opened) as Pools;
}

function open({ database, worker }: Pick<DaemonConfig, 'database' | 'worker'>, name: PoolName): Database {
  const minute = 60_000;
  const settings = {
    requests: { max: database.connections },
    reads: { max: readsAtATime(database), statementTimeoutMs: 15_000 },
    uploads: { max: 2, acquireTimeoutMs: minute, statementTimeoutMs: 30 * minute, lockTimeoutMs: 5 * minute },
    cancellations: { max: 2, statementTimeoutMs: 30 * minute },
    claims: { max: worker.concurrency + 2, statementTimeoutMs: 10_000, lockTimeoutMs: 5_000 },
    endings: {
      // One for the replay that runs beside the batches.
      max: worker.concurrency + 1,
      statementTimeoutMs: 5 * minute,
      lockTimeoutMs: 2 * minute,
    },
  };
  return connect({ url: database.url, applicationName: `osad ${name}`, ...settings[name] });
}

export function readsAtATime({ readConnections = defaultReadConnections }: DaemonConfig['database']): number {
  return readConnections;
}
