import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { benchClaim } from './claim.ts';
import { benchCli } from './cli.ts';
import { benchContainer } from './container.ts';
import { benchDaemons } from './daemons.ts';
import { benchDeploy } from './deploy.ts';
import { benchDisk } from './disk.ts';
import { benchGrowth } from './growth/growth.ts';
import { benchMint } from './mint.ts';
import { benchRecompute } from './recompute.ts';
import { describe, type Options, type Result, summary, table } from './report.ts';
import { benchRows } from './rows.ts';
import { benchTrace } from './trace.ts';
import { benchBoot } from './ways/boot.ts';
import { benchHttp } from './ways/http.ts';
import { benchMemory } from './ways/memory.ts';
import { benchRecords } from './ways/records.ts';
import { benchSize } from './ways/size.ts';
import { benchWhole } from './ways/whole.ts';

/** Runs each benchmark beside its limit. A missed target is printed; the program does not fail. */
const benchmarks: Readonly<Record<string, (options: Options) => Promise<readonly Result[]>>> = {
  rows: benchRows,
  disk: benchDisk,
  records: benchRecords,
  whole: benchWhole,
  trace: benchTrace,
  http: benchHttp,
  size: benchSize,
  mint: benchMint,
  recompute: benchRecompute,
  claim: benchClaim,
  deploy: benchDeploy,
  cli: benchCli,
  boot: benchBoot,
  memory: benchMemory,
  daemons: benchDaemons,
  container: benchContainer,
  growth: benchGrowth,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
const names = positionals.length === 0 ? Object.keys(benchmarks) : positionals;
const strange = names.find((name) => !benchmarks[name]);
if (strange) throw new Error(`${strange}: there are ${Object.keys(benchmarks).join(', ')}`);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
const results: Result[] = [];
const say = (text: string) => void (values.json ? process.stderr : process.stdout).write(`${text}\n`);
const log = (line: string) => void process.stderr.write(`  ${line}\n`);

const start = performance.now();
const busy = loadavg()[0]?.toFixed(1);
say(
  `node ${process.version}, ${process.platform} ${process.arch}, ${availableParallelism()} cores, load ${busy} before`,
);
if (values.quick) say('--quick: little data and few rounds; the ratios are rough');
for (const name of names) {
  say(`\n${name}`);
  const found = (await benchmarks[name]?.({ quick: values.quick, log, signal: stop.signal })) ?? [];
  say(found.map(describe).join('\n\n'));
  results.push(...found);
}
say(`\n${table(results)}`);
say(`\n${Math.round((performance.now() - start) / 1_000)} s`);
if (values.json) process.stdout.write(`${JSON.stringify(results.map(summary), null, 2)}\n`);
