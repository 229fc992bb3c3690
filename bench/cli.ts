import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '@osa/core/postgres/connection/connect';
import { execa } from 'execa';
import { makeRows } from './batch-rows.ts';
import { benchDatabase } from './database.ts';
import { deployDataset } from './dataset.ts';
import { inTurn, type Options, type Result } from './report.ts';
import { type Fleet, startFleet } from './ways/daemon.ts';

const program = fileURLToPath(new URL('../packages/cli/dist/osa.js', import.meta.url));

/** The cost of `osa` before it does anything, and of a trace as somebody types it. */
export async function benchCli(options: Options): Promise<Result[]> {
  await access(program).catch((cause: unknown) => {
    throw new Error(`${program} is not there: run \`npm run build\``, { cause });
  });
  const runs = options.quick ? 20 : 60;
  const version = await inTurn(runs, options, {
    ours: () => node([program, '--version']),
    theirs: () => node(['-e', '0']),
  });
  const result: Result = {
    name: 'osa --version',
    what: `${runs} runs of the built \`osa --version\``,
    limit: '`node -e 0` of the same node, run in turn with it',
    unit: 'ms',
    ...version,
    target: { atMost: 1.4 },
    notes: [],
  };
  return [result, await benchTraceProcess(runs, options)];
}

async function benchTraceProcess(runs: number, options: Options): Promise<Result> {
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 2, applicationName: 'osa bench' });
  let fleet: Fleet | undefined;
  try {
    const dataset = await deployDataset(database, 'traced');
    for (const { claim, result } of await dataset.hold([makeRows(0, 10, 1)]))
      await dataset.queue.finish(claim, [result]);
    fleet = await startFleet(place, { args: ['--no-worker'] });
    const { directory, http } = fleet;
    const url = `${http.url}/api/v1/trace/rows/traced/1`;
    const measured = await inTurn(runs, options, {
      ours: () => node([program, 'trace', 'traced/1'], directory),
      theirs: async () => {
        await node(['-e', '0']);
        await execa('curl', ['-sf', '-o', join(directory, 'answer'), url]);
      },
    });
    return {
      name: 'osa trace, whole process',
      what: `${runs} runs of the built \`osa trace\` of a row`,
      limit: '`node -e 0` and then curl for the same answer',
      unit: 'ms',
      ...measured,
      target: { atMost: 2.8 },
      notes: [],
    };
  } finally {
    await fleet?.close();
    await database.close();
    await place.close();
  }
}

/** Runs as a user who has configured nothing. */
async function node(args: readonly string[], cwd = process.cwd()): Promise<void> {
  const env = { PATH: process.env.PATH ?? '', HOME: cwd, LANG: 'C.UTF-8' };
  await execa(process.execPath, args, { cwd, env, extendEnv: false, stdin: 'ignore' });
}
