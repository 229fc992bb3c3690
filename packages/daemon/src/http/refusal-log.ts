import type { Logger } from 'pino';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RefusedToken } from './authenticate.ts';

/** Logs and counts requests that were refused because their token is missing or not accepted. */
export interface RefusalLog extends Disposable {
  tell(refusal: RefusedToken): void;
}

const windowMs = 1_000;
/** The most networks that one summary names. */
const mostNamed = 20;

/**
 * Counts each refusal. Within the limit of its network, a refusal is a line in the log. All others share one summary
 * line a second, so that a flood cannot hide other lines. Disposing writes the pending summary.
 */
export function refusalLog({
  metrics,
  log,
}: {
  readonly metrics: Pick<Metrics, 'countRefused'>;
  readonly log: Logger;
}): RefusalLog {
  let limited: { count: number; readonly networks: Set<string>; readonly timer: NodeJS.Timeout } | undefined;
  const summarise = () => {
    if (!limited) return;
    const { count, networks, timer } = limited;
    clearTimeout(timer);
    limited = undefined;
    log.warn({ count, networks: [...networks] }, 'refused requests from networks that failed too often');
  };
  return {
    tell({ address, network, reason, isLimited }) {
      if (!isLimited) {
        metrics.countRefused(reason);
        log.warn({ address, reason }, 'refused a request without an accepted token');
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
