/** Bounds how often a network may fail to authenticate, and with it what the log has to hold. */
export interface FailureLimit {
  /** Counts a failure. Undefined while it is one of those allowed; else the seconds after which another one is. */
  count(network: string): number | undefined;
}

const perSecond = 1;
/** Networks that are remembered. */
const most = 10_000;
/** All networks beyond those share one bucket, so that failing from ever more of them wins nothing. */
const others = 'others';

interface Bucket {
  readonly left: number;
  readonly at: number;
}

/**
 * A token bucket for each network: `burst` at once, one a second in the long run. A good token is never asked: who
 * shares a network with somebody who guesses is not locked out, and the guesses get a shorter answer.
 * `now` gives milliseconds.
 */
export function failureLimit(burst: number, now: () => number = () => performance.now()): FailureLimit {
  /** The one that failed longest ago comes first. */
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
