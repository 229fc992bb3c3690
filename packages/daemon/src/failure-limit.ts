import { OsaError } from '@osa/core/error';

/** Bounds how often an address may fail to authenticate, and with it what the log has to hold. */
export interface FailureLimit {
  /** @throws OsaError `rate_limited`, with `details.retry_after_seconds`, for one failure too many */
  count(address: string): void;
}

const perSecond = 1;
/** Addresses that are remembered; the one that failed longest ago goes first. */
const most = 10_000;

/**
 * A token bucket for each address: `burst` at once, one a second in the long run. A good token is never asked: who
 * shares an address with somebody who guesses is not locked out, and the guesses get a shorter answer.
 */
export function failureLimit(burst: number, now: () => number = Date.now): FailureLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    count(address) {
      const at = now();
      const bucket = buckets.get(address) ?? { left: burst, at };
      const left = Math.min(burst, bucket.left + ((at - bucket.at) / 1_000) * perSecond);
      buckets.delete(address);
      buckets.set(address, { left: Math.max(0, left - 1), at });
      const [oldest] = buckets.keys();
      if (buckets.size > most && oldest !== undefined) buckets.delete(oldest);
      if (left >= 1) return;
      throw new OsaError('rate_limited', 'too many requests without an accepted token; wait a second', {
        details: { retry_after_seconds: Math.ceil((1 - left) / perSecond) },
      });
    },
  };
}
