import { activate } from '@osa/core/hook/live';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { recompute } from '@osa/core/recompute/recompute';
import { makeRows } from './batch-rows.ts';
import { benchDatabase } from './database.ts';
import { deployDataset, principal } from './dataset.ts';
import { inTurn, type Options, type Result, timed } from './report.ts';

const recordsPerBatch = 1_000;

/** Computing published records again, and what is asked before and after it. */
export async function benchRecompute(options: Options): Promise<Result[]> {
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 4, applicationName: 'osa bench' });
  try {
    return [
      await againstIngestion(database, options, place),
      ...(await ofManyRows(database, place.owner, options)),
    ];
  } finally {
    await database.close();
    await place.close();
  }
}

/** Each round has a convention of its own, so both sides write into tables that are as large. */
async function againstIngestion(
  database: Database,
  { quick, log, signal }: Options,
  place: { readonly server: string; settle(): Promise<void> },
): Promise<Result> {
  const [batches, rounds] = quick ? [10, 3] : [40, 5];
  const store = postgresStore(database, { domain: 'localhost' });
  const [ours, theirs]: [number[], number[]] = [[], []];
  const rows = Array.from({ length: batches }, (_, index) => makeRows(index, recordsPerBatch));
  const total = batches * 10_000;
  for (let round = 0; round <= rounds; round++) {
    signal.throwIfAborted();
    const dataset = await deployDataset(database, `again${round}`);
    await place.settle();
    const came = await timed(async () => {
      for (const batch of rows) {
        for (const { claim, result } of await dataset.hold([batch]))
          await dataset.queue.finish(claim, [result]);
      }
    });
    await dataset.release();
    await place.settle();
    const again = await timed(async () => {
      await recompute(store, { principal }, dataset.hook, {});
      for (const batch of rows) {
        const { claim, result } = await dataset.holdAgain(batch);
        await dataset.queue.finish(claim, [result]);
      }
    });
    log(`round ${round}: ${Math.round(again)} ms against ${Math.round(came)} ms`);
    // The first round warms caches and plans, and does not count.
    if (round === 0) continue;
    ours.push((1_000 * total) / again);
    theirs.push((1_000 * total) / came);
  }
  return {
    name: 'recompute',
    what: `${batches} batches of ${recordsPerBatch} published records and 10 rows each, from the request to the last commit`,
    limit: 'the same records when they came in, from the file to the last commit',
    unit: 'rows/s',
    ours,
    theirs,
    target: { atLeast: 0.9 },
    notes: [place.server],
  };
}

/** Counts are kept, so these are of as many records and rows as the counts say: a million of each of two releases. */
async function ofManyRows(
  database: Database,
  owner: Database,
  { quick, signal }: Options,
): Promise<Result[]> {
  const dataset = await deployDataset(database, 'counted');
  for (const part of [0, 1]) {
    for (const { claim, result } of await dataset.hold([makeRows(part, recordsPerBatch)])) {
      await dataset.queue.finish(claim, [result]);
    }
    await dataset.release();
  }
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update current_counts set records = 1000000, rows = 10000000 where hook = ${dataset.hook}`;
  });
  const store = postgresStore(database, { domain: 'localhost' });
  const calls = quick ? 100 : 1_000;
  const select = () => database.sql`select 1`;
  const stale = await inTurn(
    calls,
    { signal },
    { ours: () => store.recomputes.staleOf(dataset.hook), theirs: select },
  );
  const creating = await inTurn(
    quick ? 20 : 100,
    { signal },
    {
      ours: () => recompute(store, { principal }, dataset.hook, {}),
      theirs: select,
    },
  );
  let moves = 0;
  const healing = await inTurn(
    quick ? 20 : 100,
    { signal },
    {
      ours: () => activate(store, { principal }, dataset.hook, { version: 1 + (moves++ % 2), heal: true }),
      theirs: select,
    },
  );
  return [
    {
      name: 'stale rows',
      what: 'the current rows of a hook by release, of 10,000,000 rows of each of two',
      limit: '`select 1` over the same connections',
      unit: 'ms',
      ...stale,
      target: { atMost: 3 },
      notes: [],
    },
    {
      name: 'a recompute begins',
      what: 'the request that selects 2,000,000 records, without Idempotency-Key',
      limit: '`select 1` over the same connections',
      unit: 'ms',
      ...creating,
      target: { atMost: 20 },
      notes: [],
    },
    {
      name: 'a heal begins',
      what: 'the move of the live pointer that heals 1,000,000 records, without Idempotency-Key',
      limit: '`select 1` over the same connections',
      unit: 'ms',
      ...healing,
      target: { atMost: 20 },
      notes: [],
    },
  ];
}
