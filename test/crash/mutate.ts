import { parseArgs } from 'node:util';
import { missing } from '../support/containers/images.ts';
import { openHarness } from './harness.ts';
import { allMutants } from './mutants/all.ts';
import type { Mutant } from './mutants/mutants.ts';
import { failingTest } from './mutants/tests.ts';
import type { RunResult } from './run.ts';

/** Puts one defect after another into the source, and looks for the test and the first seed that catch it. */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seeds: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    slots: { type: 'string', default: '2' },
    /** Only the tests; no seeds. */
    tests: { type: 'boolean', default: false },
  },
});
process.exit(await main());

async function main(): Promise<number> {
  const all = allMutants.filter(({ inContainers }) => !inContainers || missing.length === 0);
  const chosen = all.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name));
  const lines: string[] = [];
  let missed = 0;
  for (const mutant of chosen) {
    const test = mutant.test === undefined ? '' : ((await failingTest(mutant)) ?? 'MISSED');
    const { seed, what } = mutant.isForTests || values.tests ? { seed: '', what: '' } : await seedOf(mutant);
    if (`${test}${seed}`.includes('MISSED')) missed += 1;
    lines.push(`| ${mutant.name} | ${test} | ${seed} | ${what} |`);
    process.stdout.write(`${lines.at(-1)}\n`);
  }
  process.stdout.write(`\n| mutant | test | seed | how |\n|---|---|---|---|\n${lines.join('\n')}\n`);
  return missed === 0 ? 0 : 1;
}

async function seedOf(mutant: Mutant): Promise<{ seed: string; what: string }> {
  const { caught, runs } = await hunt(mutant).catch((error: unknown) => {
    process.stdout.write(`${mutant.name}: ${error instanceof Error ? error.message : error}\n`);
    return { caught: undefined, runs: 0 };
  });
  if (!caught) return { seed: `MISSED in ${runs} runs`, what: '' };
  return { seed: `${caught.seed}`, what: how(mutant, caught) };
}

/** The first thing that was found, and the other invariants that were broken too. */
function how(mutant: Mutant, { violations }: RunResult): string {
  const [first, ...more] = violations.filter(({ kind }) => counts(mutant, kind));
  if (!first) return '';
  const { invariant } = first;
  const others = new Set(more.map((one) => one.invariant)).difference(new Set([invariant]));
  const what = first.what.split('\n', 1)[0]?.slice(0, 110);
  return `${invariant}: ${what}${others.size > 0 ? ` (and ${[...others].toSorted().join(', ')})` : ''}`;
}

async function hunt(mutant: Mutant): Promise<{ caught: RunResult | undefined; runs: number }> {
  const { defects, focus, inContainers = false } = mutant;
  const first = Number(values.seed);
  const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => first + index);
  const results: RunResult[] = [];
  const catches = ({ violations }: RunResult) => violations.some(({ kind }) => counts(mutant, kind));
  await using harness = await openHarness({
    slots: Number(values.slots),
    defects,
    focus,
    inContainers,
    keep: false,
  });
  await harness.run(
    seeds.values(),
    (result) => results.push(result),
    () => results.some(catches),
  );
  return { caught: results.find(catches), runs: results.length };
}

function counts({ leavesBehind }: Mutant, kind: string): boolean {
  return kind !== 'left over' || leavesBehind === true;
}
