import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { median, type Options, type Result, timed } from './report.ts';

const program = fileURLToPath(new URL('../packages/cli/dist/osa.js', import.meta.url));

/** What `osa` costs before it does anything, against a node that does nothing. */
export async function benchCli({ quick, signal }: Options): Promise<Result[]> {
  await access(program).catch((cause: unknown) => {
    throw new Error(`${program} is not there: run \`npm run build\``, { cause });
  });
  const runs = quick ? 20 : 60;
  const ours: number[] = [];
  const theirs: number[] = [];
  // The first run writes the compile cache, and does not count.
  for (let run = 0; run <= runs; run++) {
    signal.throwIfAborted();
    const pair = { ours: await time([program, '--version']), theirs: await time(['-e', '0']) };
    if (run === 0) continue;
    ours.push(pair.ours);
    theirs.push(pair.theirs);
  }
  const result: Result = {
    name: 'osa --version',
    what: `${runs} runs of the built \`osa --version\``,
    limit: '`node -e 0` of the same node, run in turn with it',
    unit: 'ms',
    ours: median(ours),
    theirs: median(theirs),
    target: { atMost: 1.5 },
    notes: [],
  };
  return [result];
}

function time(args: readonly string[]): Promise<number> {
  return timed(() => execa(process.execPath, args));
}
