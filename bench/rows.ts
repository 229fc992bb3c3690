import { availableParallelism } from 'node:os';
import { connect, type Database } from '@osa/core/postgres/connection';
import { type BatchRows, makeRows, recordsPerBatch, rowsPerBatch } from './batch-rows.ts';
import { type Copier, copyBatches, openCopier } from './copy.ts';
import { type BenchDatabase, benchDatabase } from './database.ts';
import { type Dataset, deployDataset, type HeldBatch } from './dataset.ts';
import { median, type Options, type Result, timed } from './report.ts';

/** As many batches as the daemon's worker has under way at once by default. */
const concurrency = Math.min(availableParallelism(), 8);

/** Rows in: from checked hook output to the commit of its batch, against COPY of the same rows. */
export async function benchRows({ quick, log }: Options): Promise<Result> {
  const rounds = quick ? 4 : 20;
  const batchesPerRound = quick ? 4 : 5;
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 10, applicationName: 'osa bench' });
  const copier = await openCopier(place.ownerUrl);
  try {
    const sides = {
      ours: await deployDataset(database, 'ours'),
      theirs: await deployDataset(database, 'theirs'),
    };
    const speeds: { ours: number; theirs: number }[] = [];
    // The first round opens connections and prepares statements on both sides, and does not count.
    for (let round = 0; round <= rounds; round++) {
      const rows = Array.from({ length: batchesPerRound }, (_, i) => makeRows(round * batchesPerRound + i));
      const speed = await runRound({ place, copier, ...sides }, rows, round % 2 === 0);
      log(`round ${round} of ${rounds}: ${Math.round(speed.ours)} and ${Math.round(speed.theirs)} rows/s`);
      if (round > 0) speeds.push(speed);
    }
    await requireSameRows(place.owner);
    const ratios = speeds.map((speed) => speed.ours / speed.theirs);
    const count = rounds * batchesPerRound * rowsPerBatch;
    return {
      name: 'rows in',
      what:
        `${count.toLocaleString('en-US')} rows of 6 columns in batches of ${rowsPerBatch} rows ` +
        `(${recordsPerBatch} records), one transaction each, ${concurrency} at once: run, outcomes, rows, publication`,
      limit: `COPY of the same rows into the same kind of table, ${batchesPerRound} batches a transaction, 1 connection`,
      unit: 'rows/s',
      ours: median(speeds.map((speed) => speed.ours)),
      theirs: median(speeds.map((speed) => speed.theirs)),
      target: { atLeast: 0.85 },
      notes: [
        `ratios of ${rounds} rounds: ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}, median ${median(ratios).toFixed(2)}`,
        `${place.server}; ${copier.client}`,
      ],
    };
  } finally {
    await copier.close();
    await database.close();
    await place.close();
  }
}

interface Round {
  readonly place: BenchDatabase;
  readonly copier: Copier;
  readonly ours: Dataset;
  readonly theirs: Dataset;
}

async function runRound(
  { place, copier, ours, theirs }: Round,
  rows: readonly BatchRows[],
  oursFirst: boolean,
): Promise<{ ours: number; theirs: number }> {
  const held = { ours: await ours.hold(rows), theirs: await theirs.hold(rows) };
  // A daemon has autovacuum's statistics; a table filled within seconds does not.
  await place.owner.sql`analyze`;
  const finish = () => timed(() => finishAll(ours, held.ours));
  const copy = () =>
    copyBatches(
      copier,
      place.owner,
      rows.map((batch, index) => ({ rows: batch, held: at(held.theirs, index) })),
    );
  const count = rows.length * rowsPerBatch * 1_000;
  if (oursFirst) {
    const milliseconds = await finish();
    return { ours: count / milliseconds, theirs: count / (await copy()) };
  }
  const milliseconds = await copy();
  return { theirs: count / milliseconds, ours: count / (await finish()) };
}

/** As the worker does: each of its slots takes the next batch as soon as it has committed one. */
async function finishAll({ queue }: Dataset, batches: readonly HeldBatch[]): Promise<void> {
  const rest = batches.values();
  const slot = async () => {
    for (const { claim, result } of rest) await queue.finish(claim, [result]);
  };
  await Promise.all(Array.from({ length: concurrency }, slot));
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`nothing at ${index}`);
  return found;
}

/** Both tables hold the same values; only ids, outcomes and runs differ. */
async function requireSameRows({ sql }: Database): Promise<void> {
  const [row] = await sql<{ ours: string; theirs: string }[]>`
    select (select count(*) || ' rows, ' || sum(hashtextextended(((to_jsonb(f) - '{id,run_id,outcome_id}'::text[]))::text, 0))
            from features.ours f) as ours,
           (select count(*) || ' rows, ' || sum(hashtextextended(((to_jsonb(f) - '{id,run_id,outcome_id}'::text[]))::text, 0))
            from features.theirs f) as theirs`;
  if (!row || row.ours !== row.theirs) throw new Error(`the tables differ: ${row?.ours} and ${row?.theirs}`);
}
