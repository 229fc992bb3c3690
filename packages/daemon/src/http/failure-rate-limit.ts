import { createBudget } from './reads/budget.ts';

/** Limits how often a network may fail to authenticate, and so the size of the log. */
export interface FailureRateLimit {
  /** Counts a failure. Undefined if it is within the limit; otherwise the seconds to wait. */
  count(network: string): number | undefined;
}

const perSecond = 1;

/**
 * A network may fail `burst` times at once, and once a second in the long run. Accepted tokens are not limited, so
 * nobody is locked out by an attacker in the same network. `now` gives milliseconds.
 */
export function failureRateLimit(burst: number, now?: () => number): FailureRateLimit {
  const budget = createBudget({ burst, perSecond, least: 0 }, now);
  return {
    count(network) {
      const left = budget.left(network);
      budget.spend(network, 1);
      return left >= 1 ? undefined : Math.ceil((1 - left) / perSecond);
    },
  };
}
