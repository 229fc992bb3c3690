import { readRecords, writtenRows } from '@osa/core/data/read';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { contract } from '../batch-rows.ts';
import { type BenchDatabase, benchDatabase } from '../database.ts';
import { deployDataset } from '../dataset.ts';
import { type Options, type Result, timed } from '../report.ts';

const hook = 'sized';
const dataset = `bench-${hook}`;
const perBatch = 1_000;
const rowsPerRecord = 10;
const warmUp = 1_000;

/** Reads of a large archive against the same reads of one that is a twentieth of it. */
export async function benchSize({ quick, log, signal }: Options): Promise<Result[]> {
  const small = quick ? 10_000 : 20_000;
  const large = small * 20;
  const calls = quick ? 200 : 2_000;
  const measured = new Map<number, Record<string, number[]>>();
  for (const records of [small, large]) {
    signal.throwIfAborted();
    const place = await benchDatabase();
    const database = connect({ url: place.appUrl, max: 2, applicationName: 'osa bench' });
    try {
      await fill(database, place, records);
      log(`${(records * rowsPerRecord).toLocaleString('en-US')} rows are stored`);
      measured.set(records, await readAll(database, records, calls));
    } finally {
      await database.close();
      await place.close();
    }
  }
  const rows = (records: number) => (records * rowsPerRecord).toLocaleString('en-US');
  return Object.keys(measured.get(small) ?? {}).map((name) => ({
    name: `${name}, 20 × as many rows`,
    what: `${calls} random reads of ${rows(large)} rows of ${large.toLocaleString('en-US')} records in ${large / perBatch} ingestions`,
    limit: `the same of ${rows(small)} rows`,
    unit: 'ms',
    ours: measured.get(large)?.[name] ?? [],
    theirs: measured.get(small)?.[name] ?? [],
    target: { atMost: 1.2 },
    notes: [],
  }));
}

async function readAll(
  database: Database,
  records: number,
  calls: number,
): Promise<Record<string, number[]>> {
  const store = postgresStore(database, { domain: 'localhost' });
  const random = () => 1 + Math.floor(Math.random() * records * rowsPerRecord);
  const pages = { limit: 50, history: false };
  const rows = (cursor?: string) => writtenRows(store, dataset, hook, { ...pages, cursor });
  const cursors: string[] = [];
  while (cursors.length < 50) {
    const { next_cursor } = JSON.parse((await rows(cursors.at(-1))).text) as { next_cursor: string | null };
    if (next_cursor === null) throw new Error('there are fewer rows than were stored');
    cursors.push(next_cursor);
  }
  const reads = {
    trace: () => store.tracer.row(hook, random()),
    'a page of /data': () => rows(cursors[random() % cursors.length]),
    'the first page of records': () => readRecords(store, dataset, pages),
    'list of ingestions': () => store.ingestions.list({ cursor: undefined, limit: 10 }),
  };
  const times: Record<string, number[]> = {};
  for (const [name, read] of Object.entries(reads)) {
    // A daemon has met its runs before.
    for (let call = 0; call < warmUp; call++) await read();
    const measured: number[] = [];
    for (let call = 0; call < calls; call++) measured.push(await timed(read));
    times[name] = measured;
  }
  return times;
}

/** Stores records and rows as an ingestion for each batch would have, without its proofs. */
async function fill(database: Database, { owner }: BenchDatabase, records: number): Promise<void> {
  await deployDataset(database, hook);
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`set local enable_hashjoin = on`;
    await tx`
      insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
      select gen_random_uuid(), c.slug, c.schema_id, c.schema_version, ${perBatch}, n::text, (select min(id) from actors)
      from conventions c, generate_series(1, ${records / perBatch}::integer) n`;
    await tx`
      insert into batches (id, ingestion, convention, index, status, fence, snapshot_at, finished_at, records, published, rows)
      select gen_random_uuid(), id, convention, 0, 'done', 1, now(), now(), ${perBatch}, ${perBatch}, ${perBatch * rowsPerRecord}
      from ingestions`;
    await tx`
      insert into batch_records (batch, source_id, line, metadata, content_digest, status)
      select id, id || '-' || n, n, '{"place":"somewhere","title":"Event","value":1}', sha256('x'), 'published'
      from batches, generate_series(1, ${perBatch}::integer) n`;
    await tx`
      insert into sources (convention, source_id, record_id, last_batch)
      select ${dataset}, source_id, gen_random_uuid(), batch from batch_records`;
    await tx`
      insert into record_sets (convention, schema_id, schema_version, domain)
      select slug, schema_id, schema_version, 'localhost' from conventions`;
    await tx`
      insert into records (batch_record, record_id, version, record_set)
      select b.id, s.record_id, 1, (select min(id) from record_sets)
      from batch_records b join sources s on s.convention = ${dataset} and s.source_id = b.source_id`;
    await tx`
      insert into runs (id, batch, hook, version, status, started_at, finished_at, row_count)
      select gen_random_uuid(), id, ${hook}, 1, 'passed', now(), now(), rows from batches`;
    await tx`
      insert into attempts (run, n, fence, memory_bytes, runner, started_at, finished_at, ending, exit_code)
      select id, 1, 1, 1, 'bench', now(), now(), 'exited', 0 from runs`;
    await tx`
      insert into outcomes (run, batch, hook, batch_record, attempt, status, row_count)
      select r.id, r.batch, r.hook, b.id, 1, 'passed', ${rowsPerRecord}
      from runs r join batch_records b on b.batch = r.batch`;
    const names = contract.columns.map(({ name }) => `"${name}"`).join(', ');
    await tx.unsafe(
      `insert into features.${hook} (run_id, outcome_id, ordinal, ${names})
       select run, id, n, random(), random(), 1, 'place', true, now() from outcomes, generate_series(0, $1::integer) n`,
      [rowsPerRecord - 1],
    );
  });
  await owner.sql`vacuum`;
}
