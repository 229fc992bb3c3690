import type { Logger } from 'pino';
import type { Metrics } from '../metrics.ts';
import type { Refusal } from './authenticate.ts';

/** Tells of requests that were refused for their token, or for having none. */
export interface Refusals extends Disposable {
  tell(refusal: Refusal): void;
}

const windowMs = 1_000;
/** Networks that one summary names. */
const mostNamed = 20;

/**
 * Each refusal is counted. One within the limit of its network is a line in the log; those beyond it are one line a
 * second all together, so that a flood of them hides nothing. Disposing writes the line that is due.
 */
export function refusals({
  metrics,
  log,
}: {
  readonly metrics: Pick<Metrics, 'countRefused'>;
  readonly log: Logger;
}): Refusals {
  let limited: { count: number; readonly networks: Set<string>; readonly timer: NodeJS.Timeout } | undefined;
  const summarise = () => {
    if (!limited) return;
    const { count, networks, timer } = limited;
    clearTimeout(timer);
    limited = undefined;
    log.warn({ count, networks: [...networks] }, 'requests beyond the limit of failures were refused');
  };
  return {
    tell({ address, network, reason, isLimited }) {
      if (!isLimited) {
        metrics.countRefused(reason);
        log.warn({ address, reason }, 'a request without an accepted token was refused');
        return;
      }
      metrics.countRefused('rate_limited');
      limited ??= { count: 0, networks: new Set(), timer: setTimeout(summarise, windowMs).unref() };
      limited.count += 1;
      if (limited.networks.size < mostNamed) limited.networks.add(network);
    },
    [Symbol.dispose]: summarise,
  };
}
