import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeEmbedded, startEmbedded } from '@osa/core/postgres/embedded/embedded';
import { startDaemon } from '../../test/support/programs.ts';
import { type Options, type Result, timed } from '../report.ts';

/** The second start of `osad --dev` in a directory, against the start of its database server alone. */
export async function benchBoot({ quick, signal }: Options): Promise<Result[]> {
  const rounds = quick ? 2 : 8;
  const root = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  const server = { directory: join(root, 'server') };
  const ours: number[] = [];
  const theirs: number[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      const boot = await timed(async () => {
        const daemon = await startDaemon(root);
        ends.push(() => daemon.end('SIGTERM'));
      });
      await endAll();
      const bare = await timed(async () => {
        const started = await startEmbedded(server);
        ends.push(() => started.stop('fast'));
      });
      await endAll();
      // The first start of each makes the data.
      if (round === 0) continue;
      ours.push(boot);
      theirs.push(bare);
    }
  } finally {
    await endAll();
    await removeEmbedded(join(root, '.osa'));
    await removeEmbedded(server.directory);
    await rm(root, { recursive: true, force: true });
  }
  return [
    {
      name: 'second start of osad --dev',
      what: `${rounds} starts in a directory that has its data, until the daemon listens`,
      limit: 'the start of the embedded server alone',
      unit: 'ms',
      ours,
      theirs,
      target: { atMost: 6 },
      notes: [],
    },
  ];
}

const ends: (() => Promise<unknown>)[] = [];

async function endAll(): Promise<void> {
  for (const end of ends.splice(0)) await end();
}
