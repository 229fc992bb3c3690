import { type BenchDatabase, benchDatabase } from '../database.ts';
import { type Options, type Result, timed } from '../report.ts';
import { deployTrivial, type Fleet, ndjson, startFleet, upload } from './daemon.ts';

/** From the upload to the last row, against the upload and the batches, each measured while the other rests. */
export async function benchWhole({ quick, log, signal }: Options): Promise<Result[]> {
  const count = quick ? 5_000 : 50_000;
  const rounds = quick ? 1 : 4;
  const place = await benchDatabase();
  const fleet = await startFleet(place);
  try {
    await deployTrivial(fleet);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      const whole = await timed(async () => ended(place, await upload(fleet, ndjson(`w${round}`, count))));
      const parts = await apart(place, fleet, ndjson(`p${round}`, count));
      log(`round ${round} of ${rounds}: ${Math.round(whole)} ms, and ${parts.map(Math.round).join(' + ')}`);
      if (round === 0) continue;
      ours.push((count * 1_000) / whole);
      theirs.push((count * 1_000) / parts.reduce((sum, time) => sum + time, 0));
    }
    return [
      {
        name: 'upload to last row',
        what: `${count.toLocaleString('en-US')} records with a row each, from the upload to the end of the ingestion, with a process hook that does nothing`,
        limit: 'the upload while no hook may run, and then the batches while nothing comes in',
        unit: 'records/s',
        ours,
        theirs,
        target: { atLeast: 0.8 },
        notes: [place.server],
      },
    ];
  } finally {
    await fleet.close();
    await place.close();
  }
}

/** The upload with its hook paused, and then from the resumption to the last commit. */
async function apart(place: BenchDatabase, fleet: Fleet, body: string): Promise<number[]> {
  const hook = '/api/v1/hooks/trivial';
  await fleet.http.send('POST', `${hook}/pause`, { json: { reason: 'measured alone' } });
  let id = '';
  const uploaded = await timed(async () => {
    id = await upload(fleet, body);
  });
  const ran = await timed(async () => {
    await fleet.http.send('POST', `${hook}/resume`, { json: {} });
    await ended(place, id);
  });
  return [uploaded, ran];
}

/** Waits until no batch of the ingestion is open. */
export async function ended({ owner }: BenchDatabase, ingestion: string): Promise<void> {
  for (;;) {
    const [row] = await owner.sql<{ open: number; failed: number }[]>`
      select count(*) filter (where finished_at is null)::integer as open,
             count(*) filter (where status = 'failed')::integer as failed
      from batches where ingestion = ${ingestion}`;
    if (row?.failed) throw new Error(`${row.failed} batches of ${ingestion} have failed`);
    if (row?.open === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
