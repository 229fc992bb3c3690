import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { makeRows, rowsPerBatch } from './batch-rows.ts';
import { benchDatabase } from './database.ts';
import { deployDataset } from './dataset.ts';
import { type Options, quantile, type Result, timed } from './report.ts';

const hook = 'traced';

/** The story of one row, as `osa trace hook/id` asks for it, against the shortest statement there is. */
export async function benchTrace({ quick, log, signal }: Options): Promise<Result[]> {
  const batches = quick ? 10 : 100;
  const rounds = quick ? 20 : 100;
  const callsPerRound = 50;
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 4, applicationName: 'osa bench' });
  try {
    await fill(database, batches, signal);
    log(`${batches * rowsPerBatch} rows are stored`);
    // Autovacuum does this for a table that has grown; no plan depends on statistics, so there are none.
    await place.owner.sql`vacuum`;
    const { tracer } = postgresStore(database, { domain: 'localhost' });
    const trace = async () => {
      const id = 1 + Math.floor(Math.random() * batches * rowsPerBatch);
      if ((await tracer.row(hook, id)) === undefined) throw new Error(`${hook}/${id} is not there`);
    };
    const select = () => database.sql`select 1`;
    const ours: number[] = [];
    const theirs: number[] = [];
    // The first round warms caches and plans, and does not count.
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      if (round === 1) ours.length = theirs.length = 0;
      for (let call = 0; call < callsPerRound; call++) ours.push(await timed(trace));
      for (let call = 0; call < callsPerRound; call++) theirs.push(await timed(select));
    }
    const result: Result = {
      name: 'trace a row',
      what: `${ours.length} random rows of ${(batches * rowsPerBatch).toLocaleString('en-US')}, one after the other`,
      limit: '`select 1` over the same connections',
      unit: 'ms',
      ours,
      theirs,
      target: { atMost: 2.5 },
      notes: [
        `p99: ${quantile(ours, 0.99).toPrecision(3)} ms against ${quantile(theirs, 0.99).toPrecision(3)} ms`,
        place.server,
      ],
    };
    return [result];
  } finally {
    await database.close();
    await place.close();
  }
}

async function fill(database: Database, batches: number, signal: AbortSignal): Promise<void> {
  const dataset = await deployDataset(database, hook);
  for (let index = 0; index < batches; index++) {
    signal.throwIfAborted();
    for (const { claim, result } of await dataset.hold([makeRows(index, 1_000)]))
      await dataset.queue.finish(claim, [result]);
  }
}
