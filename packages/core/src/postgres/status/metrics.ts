import type { StoredStatus } from '../../status/stored.ts';
import type { Database } from '../connection/connect.ts';
import { openBatches, type Waiting } from './queue.ts';
import { storedStatus } from './status.ts';

/** Facts about the whole archive that the metrics show. */
export interface StatusMetrics {
  readonly stored: StoredStatus;
  readonly groups: readonly Waiting[];
  readonly liveVersions: readonly { readonly hook: string; readonly version: number }[];
}

/** Hooks whose live release is shown. */
const mostHooks = 1_000;

export async function statusMetrics(database: Pick<Database, 'sql'>): Promise<StatusMetrics> {
  const { sql } = database;
  const queue = await openBatches(sql);
  const [stored, liveVersions] = await Promise.all([
    storedStatus(database, queue),
    sql<{ hook: string; version: number }[]>`
      select name as hook, live_version as version from hooks
      where live_version is not null order by name limit ${mostHooks}`,
  ]);
  return { stored, groups: queue.groups, liveVersions: [...liveVersions] };
}
