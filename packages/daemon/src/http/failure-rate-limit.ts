/** Limits how often a network may fail to authenticate, and so the size of the log. */
export interface FailureRateLimit {
  /** Counts a failure. Undefined if it is within the limit; otherwise the seconds to wait. */
  count(network: string): number | undefined;
}

const perSecond = 1;
/** Networks that are remembered. */
const most = 10_000;
/** Further networks share one bucket, so an attacker gains nothing by using many networks. */
const others = 'others';

interface Bucket {
  readonly left: number;
  readonly at: number;
}

/**
 * A token bucket for each network: `burst` at once, one a second in the long run. Accepted tokens are not limited, so
 * nobody is locked out by an attacker in the same network. `now` gives milliseconds.
 */
export function failureRateLimit(
  burst: number,
  now: () => number = () => performance.now(),
): FailureRateLimit {
  /** In the order of the last failure, oldest first. */
  const buckets = new Map<string, Bucket>();
  const leftIn = (bucket: Bucket, at: number) =>
    Math.min(burst, bucket.left + ((at - bucket.at) / 1_000) * perSecond);
  const forgetFull = (at: number) => {
    for (const [network, bucket] of buckets) {
      if (leftIn(bucket, at) < burst) return;
      buckets.delete(network);
    }
  };
  return {
    count(network) {
      const at = now();
      forgetFull(at);
      const key = buckets.has(network) || buckets.size < most ? network : others;
      const left = leftIn(buckets.get(key) ?? { left: burst, at }, at);
      buckets.delete(key);
      buckets.set(key, { left: Math.max(0, left - 1), at });
      return left >= 1 ? undefined : Math.ceil((1 - left) / perSecond);
    },
  };
}
