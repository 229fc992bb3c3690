import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { benchDatabase } from '../database.ts';
import type { Options, Result } from '../report.ts';
import { deployTrivial, ndjson, startFleet, upload } from './daemon.ts';

const mostMebibytes = 120;

/** The memory that a daemon keeps after a million records have come in. */
export async function benchMemory({ quick, log, signal }: Options): Promise<Result[]> {
  const uploads = quick ? 2 : 10;
  const each = quick ? 10_000 : 100_000;
  const place = await benchDatabase();
  const fleet = await startFleet(place, { args: ['--no-worker'] });
  try {
    await deployTrivial(fleet);
    const pid = fleet.daemons[0]?.process.pid;
    const idle = await residentMebibytes(pid);
    let most = idle;
    for (let round = 0; round < uploads; round++) {
      signal.throwIfAborted();
      await upload(fleet, ndjson(`m${round}`, each));
      most = Math.max(most, await residentMebibytes(pid));
    }
    // It gives memory back when it has answered.
    await setTimeout(1_000);
    const after = await residentMebibytes(pid);
    log(`${Math.round(idle)} MiB idle, ${Math.round(most)} at most between uploads`);
    return [
      {
        name: 'daemon memory',
        what: `resident memory a second after ${(uploads * each).toLocaleString('en-US')} records in, less that of the idle daemon`,
        limit: `${mostMebibytes} MiB`,
        unit: 'MiB',
        ours: [after - idle],
        theirs: [mostMebibytes],
        target: { atMost: 1 },
        notes: [`${Math.round(idle)} MiB idle, ${Math.round(after)} MiB afterwards`],
      },
    ];
  } finally {
    await fleet.close();
    await place.close();
  }
}

async function residentMebibytes(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(text) ?? [];
  return Number(kibibytes) / 1_024;
}
