import { parseArgs } from 'node:util';
import { openHarness } from './harness.ts';
import { runLine, summary, violationLines } from './report.ts';
import type { RunResult } from './run.ts';

const help = `Breaks daemons, PostgreSQL, connections and hooks at every step, and counts what went wrong.

  npm run crash -- [--seeds N | --minutes M] [--seed S] [--slots K] [--containers] [--verbose]
    --seeds N     so many runs, with the seeds from S on (20)
    --minutes M   as many as fit
    --seed S      the first seed; alone, only that one (1)
    --slots K     runs at a time (4, and 2 with containers)
    --containers  the hooks run in containers, and the faults are at their steps
    --verbose     a line for every run

Exit codes: 0 nothing was broken · 1 something was; the seeds are printed · 2 wrong usage
`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    slots: { type: 'string' },
    containers: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
process.exit(values.help ? print(help) : await main());

async function main(): Promise<number> {
  const first = number(values.seed, 1);
  const minutes = values.minutes === undefined ? undefined : number(values.minutes, 1);
  const only = values.seeds === undefined && minutes === undefined && values.seed !== undefined;
  const count = minutes === undefined ? number(values.seeds, only ? 1 : 20) : Number.POSITIVE_INFINITY;
  const until = Date.now() + (minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const results: RunResult[] = [];
  // Runs under way end as they should, so that nothing is left behind; a second signal ends at once.
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const slots = Math.min(number(values.slots, values.containers ? 2 : 4), count);
  await using harness = await openHarness({ slots, inContainers: values.containers });
  const onResult = (result: RunResult) => {
    results.push(result);
    if (values.verbose) print(`${runLine(result)}\n`);
    for (const line of violationLines(result)) print(`${line}\n`);
  };
  await harness.run(seedsFrom(first, count), onResult, () => stopping.signal.aborted || Date.now() > until);
  for (const line of summary(results, harness.pairs, harness.skipped)) print(`${line}\n`);
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

function* seedsFrom(first: number, count: number): Generator<number, undefined> {
  for (let index = 0; index < count; index += 1) yield first + index;
  return undefined;
}

function number(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`${text} is not a number above 0\n${help}`);
  process.exit(2);
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}
