import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Young objects are in one half of their room, which doubles until it has this and so ends with 16 MiB. */
const halfBytes = 12 * 2 ** 20;

/**
 * Keeps V8 from giving young objects more than 32 MiB of room; it would go to 64 and stay there under load. Its options for
 * that count only where they are given to Node at its start, but the factor by which the room grows is read each time.
 */
export function boundYoungObjects(): void {
  let factor = 2;
  new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    const half = young === undefined ? 0 : young.space_used_size + young.space_available_size;
    const wanted = half < halfBytes ? 2 : 1;
    if (wanted === factor) return;
    factor = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  }).observe({ entryTypes: ['gc'] });
}
