import { availableParallelism } from 'node:os';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { type BatchRows, makeRows, rowsPerBatch } from './batch-rows.ts';
import { type Copier, copyBatches, openCopier } from './copy.ts';
import { type BenchDatabase, benchDatabase } from './database.ts';
import { type Dataset, deployDataset, type HeldBatch } from './dataset.ts';
import { type Options, type Result, timed } from './report.ts';

/** One batch fewer than the daemon's worker has under way at once by default. */
const concurrency = Math.min(availableParallelism(), 8);

/**
 * Rows in: from checked hook output to the commit of its batch, against COPY of the same rows. Once with the
 * default of 1,000 records a batch, and once with fewer records that have more rows each, since a record costs
 * something too: its outcomes and its publication.
 */
export async function benchRows(options: Options): Promise<Result[]> {
  return [await benchShape(options, 1_000), await benchShape(options, 100)];
}

async function benchShape({ quick, log, signal }: Options, recordsPerBatch: number): Promise<Result> {
  const rounds = quick ? 2 : 5;
  const batchesPerRound = quick ? 4 : 20;
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 10, applicationName: 'osa bench' });
  const copier = await openCopier(place.ownerUrl);
  try {
    const ours = await deployDataset(database, 'ours');
    const theirs = await deployDataset(database, 'theirs');
    const speeds: Speeds[] = [];
    // Round 0 opens connections and prepares statements on both sides, and does not count.
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      const rows = Array.from({ length: batchesPerRound }, (_, i) =>
        makeRows(round * batchesPerRound + i, recordsPerBatch),
      );
      const speed = await runRound({ place, copier, ours, theirs }, rows, round % 2 === 0);
      log(`round ${round} of ${rounds}: ${Math.round(speed.ours)} and ${Math.round(speed.theirs)} rows/s`);
      if (round > 0) speeds.push(speed);
    }
    await requireSameRows(place.owner);
    return report(speeds, { recordsPerBatch, batchesPerRound, server: `${place.server}; ${copier.client}` });
  } finally {
    await copier.close();
    await database.close();
    await place.close();
  }
}

function report(
  speeds: readonly Speeds[],
  {
    recordsPerBatch,
    batchesPerRound,
    server,
  }: Record<'recordsPerBatch' | 'batchesPerRound', number> & { server: string },
): Result {
  const rowsPerRecord = rowsPerBatch / recordsPerBatch;
  const thousand = (count: number) => count.toLocaleString('en-US');
  const ratios = speeds.map(({ ours, theirs }) => (ours / theirs).toFixed(2));
  const best = {
    ours: Math.max(...speeds.map((s) => s.ours)),
    theirs: Math.max(...speeds.map((s) => s.theirs)),
  };
  return {
    name: `rows in, ${rowsPerRecord} a record`,
    what:
      `${thousand(speeds.length * batchesPerRound * rowsPerBatch)} rows in batches of ${thousand(rowsPerBatch)} ` +
      `(${thousand(recordsPerBatch)} records), ${concurrency} at once, a transaction each: batch, run, outcomes, ` +
      'rows, publication',
    limit: `COPY of the same rows into such a table on one connection, ${batchesPerRound} batches a transaction`,
    unit: 'rows/s',
    ours: speeds.map((speed) => speed.ours),
    theirs: speeds.map((speed) => speed.theirs),
    target: { atLeast: 0.85 },
    notes: [
      `ratio of each round: ${ratios.join(', ')}; of the best round of each side: ${(best.ours / best.theirs).toFixed(2)}`,
      server,
    ],
  };
}

interface Speeds {
  readonly ours: number;
  readonly theirs: number;
}

interface Sides {
  readonly place: BenchDatabase;
  readonly copier: Copier;
  readonly ours: Dataset;
  readonly theirs: Dataset;
}

async function runRound(
  { place, copier, ours, theirs }: Sides,
  rows: readonly BatchRows[],
  oursFirst: boolean,
): Promise<Speeds> {
  const held = { ours: await ours.hold(rows), theirs: await theirs.hold(rows) };
  const finish = async () => {
    await place.settle();
    return timed(() => finishAll(ours, held.ours));
  };
  const copy = async () => {
    await place.settle();
    return copyBatches(copier, place.owner, held.theirs);
  };
  const speed = (milliseconds: number) => (rows.length * rowsPerBatch * 1_000) / milliseconds;
  if (oursFirst) return { ours: speed(await finish()), theirs: speed(await copy()) };
  return { theirs: speed(await copy()), ours: speed(await finish()) };
}

/** Works as the worker does: each of its slots takes the next batch as soon as it has committed one. */
async function finishAll({ queue }: Dataset, batches: readonly HeldBatch[]): Promise<void> {
  const rest = batches.values();
  const slot = async () => {
    for (const { claim, result } of rest) await queue.finish(claim, [result]);
  };
  await Promise.all(Array.from({ length: concurrency }, slot));
}

/** Both tables hold the same values; only ids, outcomes and runs differ. */
async function requireSameRows({ sql }: Database): Promise<void> {
  const digest = (table: string) => sql<{ digest: string }[]>`
    select count(*) || ' rows, ' || sum(hashtextextended((to_jsonb(f) - '{id,run_id,outcome_id}'::text[])::text, 0)) as digest
    from ${sql(table)} f`;
  const [[ours], [theirs]] = [await digest('features.ours'), await digest('features.theirs')];
  if (!ours || ours.digest !== theirs?.digest) {
    throw new Error(`the tables differ: ${ours?.digest} and ${theirs?.digest}`);
  }
}
