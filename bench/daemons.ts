import { benchDatabase } from './database.ts';
import { median, type Options, type Result } from './report.ts';
import { deployTrivial, ndjson, startFleet, upload } from './ways/daemon.ts';
import { ended } from './ways/whole.ts';

/** Several daemons on one database, against one. */
export async function benchDaemons({ quick, log, signal }: Options): Promise<Result[]> {
  const records = quick ? 5_000 : 50_000;
  const rounds = quick ? 1 : 3;
  const speeds: Record<'ours' | 'theirs', number[]> = { ours: [], theirs: [] };
  const fleets = { theirs: 1, ours: 4 } as const;
  for (const [side, count] of Object.entries(fleets) as ['ours' | 'theirs', number][]) {
    for (let round = 0; round < rounds; round++) {
      signal.throwIfAborted();
      speeds[side].push(await speedOf(count, records));
    }
    log(`${count} at once: ${Math.round(median(speeds[side]))} records/s`);
  }
  return [
    {
      name: '4 daemons',
      what: `${records.toLocaleString('en-US')} records in batches of 500, a row each, from the first claim to the last commit; each daemon runs one batch more than there are processors`,
      limit: 'one daemon',
      unit: 'records/s',
      ...speeds,
      target: { atLeast: 1.6 },
      notes: [],
    },
  ];
}

async function speedOf(count: number, records: number): Promise<number> {
  const place = await benchDatabase();
  const fleet = await startFleet(place, { count });
  try {
    await deployTrivial(fleet);
    await ended(place, await upload(fleet, ndjson('warm', 200), 20));
    const id = await upload(fleet, ndjson('measured', records), 500);
    await ended(place, id);
    const [row] = await place.owner.sql<{ seconds: number }[]>`
      select extract(epoch from max(finished_at) - min(snapshot_at))::float8 as seconds
      from batches where ingestion = ${id}`;
    return records / (row?.seconds ?? Number.NaN);
  } finally {
    await fleet.close();
    await place.close();
  }
}
