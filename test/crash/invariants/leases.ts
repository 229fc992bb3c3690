import type { Member } from '../world/daemons.ts';
import type { Life } from './outputs.ts';
import type { Ends } from './read-leases.ts';
import type { State } from './state.ts';
import type { Report } from './violations.ts';

/** The time that a daemon may need to end a hook once its lease is over: as long as a fault holds it up, and more. */
const endWithinMs = 3_000;

/** I10: no process of a hook goes on when the lease under which it was started is over. */
export function checkLives(
  { runs }: State,
  observed: { readonly lives: readonly Life[]; readonly ends: Ends; readonly members: readonly Member[] },
  report: Report,
): void {
  const batchOf = new Map(runs.map(({ id, batch }) => [id, batch]));
  for (const { task, daemon, endedAt = Date.now() } of observed.lives) {
    const [, run = '', fence] = /^(.{36})-(\d+)-\d+$/.exec(task) ?? [];
    const over = observed.ends.get(`${batchOf.get(run) ?? run} ${fence}`);
    if (over === undefined) continue;
    const latest = allowed(over, observed.members[daemon]?.away ?? []);
    if (endedAt <= latest) continue;
    report('I10', `hook ${task} went on for ${Math.round(endedAt - over)} ms after its lease`, 'other');
  }
}

/** The time in which a daemon is stopped, or not there, does not count. */
function allowed(over: number, away: Member['away']): number {
  return away.reduce((latest, { from, to = Number.POSITIVE_INFINITY }) => {
    const overlaps = from < latest && to > over;
    return overlaps ? Math.max(latest, to + endWithinMs) : latest;
  }, over + endWithinMs);
}
