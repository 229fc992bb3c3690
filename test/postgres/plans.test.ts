import { Readable } from 'node:stream';
import { sha256 } from '@osa/core/hook/release';
import { cancelIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { expect, test } from 'vitest';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

/** The cost of a seal, claim, commit, cancellation or retry is that of its own records, whatever the statistics say. */

const known = 100_000;
const batchSize = 500;
const worker = { name: 'w', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] } as const;
const tables = ['sources', 'records', 'batch_records', 'batches', 'batch_gates'];

test.each(['without statistics', 'with old statistics', 'with statistics of another convention'] as const)(
  '%s each step reads its own records by index',
  { timeout: 120_000 },
  async (state) => {
    const bench = await coreArchive();
    try {
      const owner = bench.open('owner', { max: 1 });
      for (const table of tables)
        await owner.sql.unsafe(`alter table ${table} set (autovacuum_enabled = off)`);
      await bench.deploy({});
      await bench.deploy({}, { slug: 'other', title: 'other' });
      const app = bench.open('app', { max: 1 });
      // The session has run, and so may have kept a plan of, every statement while the tables were small.
      await useAll(app, 'other');
      if (state === 'with statistics of another convention') await owner.sql`analyze`;
      if (state === 'with old statistics') {
        await useAll(app, 'bench');
        await owner.sql`analyze`;
      }
      await grow(owner);
      await measureAll(bench, app);
    } finally {
      await bench.dispose();
    }
  },
);

/** Each step once a record, six times over: from the sixth time on a statement may keep its plan. */
async function useAll(app: Database, convention: string): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    await allSteps(app, { convention, size: 1, first: `r${round}` }, async (_step, run) => run());
  }
}

async function measureAll(bench: CoreArchive, app: Database): Promise<void> {
  const reads = async () => {
    await app.sql`select pg_stat_force_next_flush()`;
    const [row] = await bench.database.sql<{ scanned: number; fetched: number }[]>`
      select sum(seq_scan)::float8 as scanned, sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::float8 as fetched
      from pg_stat_user_tables where relname = any (${bench.database.sql.array(tables)})`;
    return row ?? { scanned: -1, fetched: -1 };
  };
  const costs: Record<string, number> = {};
  const measure = async <T>(step: string, run: () => Promise<T>): Promise<T> => {
    const before = await reads();
    const answer = await run();
    const after = await reads();
    costs[step] = after.fetched - before.fetched;
    expect(after.scanned - before.scanned, `sequential scans of ${step}`).toBe(0);
    expect(costs[step], `rows read by ${step}`).toBeLessThan(40 * batchSize);
    return answer;
  };
  await allSteps(app, { convention: 'bench', size: batchSize, first: 's' }, measure);
  expect(Object.keys(costs)).toEqual([
    'seal',
    'claim',
    'commit',
    'seal again',
    'cancel',
    'retry',
    'claim again',
  ]);
}

type Measure = <T>(step: string, run: () => Promise<T>) => Promise<T>;

async function allSteps(
  app: Database,
  { convention, size, first }: { convention: string; size: number; first: string },
  measure: Measure,
): Promise<void> {
  const store = postgresStore(app, { domain: 'localhost' });
  const queue = postgresQueue(app, { domain: 'localhost' });
  const send = (value: number) => {
    const records = Array.from({ length: size }, (_, n) => record(`${first}${n}`, value));
    const bytes = Buffer.from(records.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
    return ingest(store, { principal: admin }, { convention, batchSize, upload });
  };
  await measure('seal', () => send(1));
  const claim = await measure('claim', () => queue.claim(worker));
  if (!claim) throw new Error('no batch can be claimed');
  expect(claim.records).toHaveLength(size);
  await measure('commit', () => queue.finish(claim, []));
  const { id } = await measure('seal again', () => send(2));
  await measure('cancel', () => cancelIngestion(store, { principal: admin }, id, {}));
  expect(await measure('retry', () => retryIngestion(store, { principal: admin }, id))).toMatchObject({
    retried: size,
  });
  const again = await measure('claim again', () => queue.claim(worker));
  if (!again) throw new Error('the retried batch cannot be claimed');
  await queue.finish(again, []);
}

/** Publishes `known` sources in the convention, as its ingestion would have, without its proofs. */
async function grow(owner: Database): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
      select '00000000-0000-0000-0000-000000000001', slug, schema_id, schema_version, 1000, 'x', (select min(id) from actors)
      from conventions where slug = 'bench'`;
    await tx`
      insert into batches (id, ingestion, convention, index, status, fence, snapshot_at, finished_at, records, published)
      select gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'bench', n, 'done', 1, now(), now(), 1000, 1000
      from generate_series(0, ${known / 1000 - 1}::integer) n`;
    await tx`
      insert into sources (convention, source_id, record_id, last_batch)
      select 'bench', 's' || n, gen_random_uuid(), b.id
      from generate_series(0, ${known - 1}::integer) n
      join batches b on b.ingestion = '00000000-0000-0000-0000-000000000001' and b.index = n / 1000`;
    await tx`
      insert into batch_records (batch, source_id, line, metadata, content_digest, status, record)
      select last_batch, source_id, 1, '{"value": 0}', 'x', 'published', 'urn:osa:localhost:rec:' || record_id || '@1'
      from sources where last_batch in (select id from batches where ingestion = '00000000-0000-0000-0000-000000000001')`;
    await tx`
      insert into records (srn, convention, source_id, version, schema_id, schema_version, content_digest, metadata, batch_record)
      select r.record, 'bench', r.source_id, 1, i.schema_id, i.schema_version, r.content_digest, r.metadata, r.id
      from batch_records r join batches b on b.id = r.batch join ingestions i on i.id = b.ingestion
      where i.id = '00000000-0000-0000-0000-000000000001'`;
  });
}
