import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '@osa/core/postgres/connection/connect';

/** When each claim, by batch, part of a replay or comparison, and by fence, was first seen to be over, in milliseconds since 1970. */
export type Ends = ReadonlyMap<string, number>;

const lookAgainMs = 100;

/**
 * Looks again and again at who holds which batch. Anything that it calls over is over; it may have been so for a while.
 */
export function watchLeases(database: Database): { stop(): Promise<Ends> } {
  const stopped = new AbortController();
  const ends = new Map<string, number>();
  const look = async () => {
    const batches = await database.sql<{ id: string; fence: string; held: boolean; now: number }[]>`
      select id, fence, status = 'running' and lease_until > clock_timestamp() as held,
             extract(epoch from clock_timestamp())::float8 * 1000 as now
      from (select id, fence, status, lease_until from batches
            union all select id, fence, status, lease_until from replay_parts
            union all select id, fence, status, lease_until from comparisons) held where fence > 0`;
    for (const { id, fence, held, now } of batches) {
      for (let own = 1; own <= Number(fence) - Number(held); own += 1) {
        const claim = `${id} ${own}`;
        if (!ends.has(claim)) ends.set(claim, now);
      }
    }
  };
  const watching = (async () => {
    while (!stopped.signal.aborted) {
      // The server may be away; then the next look counts.
      await look().catch(() => undefined);
      await delay(lookAgainMs);
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await watching;
      return ends;
    },
  };
}
