import { memoryBytes } from '@osa/core/hook/release';
import { containerMemory } from '../world/containers.ts';
import type { Daemons } from '../world/daemons.ts';
import type { State } from './state.ts';
import type { Report } from './violations.ts';

/** I13: each attempt in a container had the memory that is stored, which doubles with each that ran out of it. */
export async function checkMemory(state: State, daemons: Daemons, report: Report): Promise<void> {
  const made = await Promise.all(daemons.members.map(async ({ engine }) => engine?.made() ?? []));
  const memoryOf = new Map(made.flat().map(({ run, n, memoryBytes: bytes }) => [`${run} ${n}`, bytes]));
  const late = await Promise.all(daemons.members.map(async ({ engine }) => engine?.timedOut() ?? []));
  const timedOut = new Set(late.flat().map(({ run, n }) => `${run} ${n}`));
  const inContainers = state.attempts.filter(({ runner }) => runner === 'podman');
  for (const attempts of Map.groupBy(inContainers, ({ run, fence }) => `${run} ${fence}`).values()) {
    let expected = memoryBytes(containerMemory);
    for (const { run, n, memory_bytes, ending } of attempts.toSorted((a, b) => a.n - b.n)) {
      const given = memoryOf.get(`${run} ${n}`);
      if (Number(memory_bytes) !== expected || (given !== undefined && given !== expected)) {
        const what = `${memory_bytes} is stored, ${given} was given, ${expected} was its turn`;
        report('I13', `attempt ${n} of run ${run}: ${what}`);
      }
      const hasRun = ending !== null && ending !== 'not_started' && ending !== 'abandoned';
      if (hasRun && given === undefined)
        report('I13', `attempt ${n} of run ${run} has ${ending}, and was never made`);
      if (ending === 'out_of_memory') expected *= 2;
      if (ending === 'out_of_memory' && timedOut.has(`${run} ${n}`))
        report('I13', `attempt ${n} of run ${run} took too long, and is said to have run out of memory`);
    }
  }
}
