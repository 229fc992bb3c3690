import { OsaError } from '@osa/core/error';
import type { EventReads } from '@osa/core/events/outbox';

/** Tells those who wait that there are further events: one look at the database for all of them. */
export interface EventFeed {
  /**
   * Resolves once there is an event after `after`, after `waitMs`, when `client` goes away or the daemon drains.
   *
   * @throws OsaError whatever the database says
   */
  wait(after: number, options: { readonly waitMs: number; readonly client: AbortSignal }): Promise<void>;
  /**
   * Admits one who will wait; the function that comes back lets them go.
   *
   * @throws OsaError `rate_limited` if this reader has too many that wait, `busy` if all have
   */
  admit(reader: string): () => void;
  /** Whether the daemon drains, so that nobody should wait. */
  isEnding(): boolean;
}

export interface FeedLimits {
  readonly each: number;
  readonly all: number;
  /** The time between two looks. */
  readonly pollMs: number;
}

export const feedLimits: FeedLimits = { each: 8, all: 200, pollMs: 400 };

interface Waiter {
  readonly after: number;
  end(error?: unknown): void;
}

export function eventFeed(
  events: EventReads,
  { isDraining, limits = feedLimits }: { readonly isDraining: () => boolean; readonly limits?: FeedLimits },
): EventFeed {
  const waiters = new Set<Waiter>();
  const admitted = new Map<string, number>();
  let all = 0;
  let isLooking = false;
  const look = async () => {
    isLooking = true;
    while (waiters.size > 0) {
      try {
        const last = await events.last();
        for (const waiter of waiters) if (waiter.after < last || isDraining()) waiter.end();
      } catch (error) {
        for (const waiter of waiters) waiter.end(error);
      }
      await new Promise((resolve) => setTimeout(resolve, limits.pollMs));
    }
    isLooking = false;
  };
  return {
    isEnding: isDraining,
    wait: (after, { waitMs, client }) =>
      new Promise<void>((resolve, reject) => {
        const end = (error?: unknown) => {
          clearTimeout(timer);
          client.removeEventListener('abort', gone);
          waiters.delete(waiter);
          if (error === undefined) resolve();
          else reject(error);
        };
        const gone = () => end();
        const timer = setTimeout(gone, waitMs);
        const waiter: Waiter = { after, end };
        if (client.aborted || isDraining()) return end();
        client.addEventListener('abort', gone);
        waiters.add(waiter);
        if (!isLooking) void look();
      }),
    admit(reader) {
      const own = admitted.get(reader) ?? 0;
      if (own >= limits.each) {
        throw new OsaError(
          'rate_limited',
          `${limits.each} of your requests wait for events already; end one of them, or read without wait`,
          { details: { retry_after_seconds: 5 } },
        );
      }
      if (all >= limits.all)
        throw new OsaError('busy', 'too many others wait for events; try again in a few seconds');
      admitted.set(reader, own + 1);
      all += 1;
      return () => {
        all -= 1;
        const left = (admitted.get(reader) ?? 1) - 1;
        if (left === 0) admitted.delete(reader);
        else admitted.set(reader, left);
      };
    },
  };
}
