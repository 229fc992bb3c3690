import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { benchCli } from './cli.ts';
import { benchContainer } from './container.ts';
import { benchMint } from './mint.ts';
import { describe, type Options, type Result, table } from './report.ts';
import { benchRows } from './rows.ts';
import { benchTrace } from './trace.ts';

/** Runs each benchmark beside its limit. A target that is missed is said, and is no failure of the program. */
const benchmarks: Readonly<Record<string, (options: Options) => Promise<readonly Result[]>>> = {
  rows: benchRows,
  trace: benchTrace,
  mint: benchMint,
  cli: benchCli,
  container: benchContainer,
};

const { values } = parseArgs({
  options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } },
});
const names = values.only === undefined ? Object.keys(benchmarks) : [values.only];
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
const results: Result[] = [];
const say = (text: string) => void process.stdout.write(`${text}\n`);
const log = (line: string) => void process.stderr.write(`  ${line}\n`);

const busy = loadavg()[0]?.toFixed(1);
say(
  `node ${process.version}, ${process.platform} ${process.arch}, ${availableParallelism()} cores, load ${busy} before`,
);
if (values.quick) say('--quick: little data and few rounds; the ratios are rough');
for (const name of names) {
  const benchmark = benchmarks[name];
  if (!benchmark) throw new Error(`--only ${name}: there are ${Object.keys(benchmarks).join(', ')}`);
  say(`\n${name}`);
  const found = await benchmark({ quick: values.quick, log, signal: stop.signal });
  say(found.map(describe).join('\n\n'));
  results.push(...found);
}
say(`\n${table(results)}`);
