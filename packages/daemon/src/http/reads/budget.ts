/** The budget of each network: `burst` at once, `perSecond` in the long run. */
export interface Budget {
  left(network: string): number;
  spend(network: string, amount: number): void;
}

export interface BudgetOptions {
  readonly burst: number;
  readonly perSecond: number;
  /** The lowest balance; by default a network may owe any amount. */
  readonly least?: number;
}

/** Networks that are remembered. */
const most = 10_000;
/** Further networks share one bucket, so an attacker gains nothing by using many networks. */
const others = 'others';

interface Bucket {
  readonly left: number;
  readonly at: number;
}

/** A token bucket for each network. `now` gives milliseconds. */
export function createBudget(
  { burst, perSecond, least = Number.NEGATIVE_INFINITY }: BudgetOptions,
  now: () => number = () => performance.now(),
): Budget {
  /** In the order of the last spending, oldest first. */
  const buckets = new Map<string, Bucket>();
  const leftIn = (bucket: Bucket, at: number) =>
    Math.min(burst, bucket.left + ((at - bucket.at) / 1_000) * perSecond);
  const forgetFull = (at: number) => {
    for (const [network, bucket] of buckets) {
      if (leftIn(bucket, at) < burst) return;
      buckets.delete(network);
    }
  };
  const keyOf = (network: string) => (buckets.has(network) || buckets.size < most ? network : others);
  const left = (network: string, at: number) =>
    leftIn(buckets.get(keyOf(network)) ?? { left: burst, at }, at);
  return {
    left: (network) => left(network, now()),
    spend(network, amount) {
      const at = now();
      forgetFull(at);
      const bucket = { left: Math.max(least, left(network, at) - amount), at };
      const key = keyOf(network);
      buckets.delete(key);
      buckets.set(key, bucket);
    },
  };
}
