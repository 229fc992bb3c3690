import { retryIngestion } from '@osa/core/ingestion/retry';
import { executeNext } from '@osa/core/run/execute';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

/**
 * The plans of uploads, claims, commits and retries do not depend on statistics. Each is held to the index entries and
 * rows that it reads: a few for each record of its batch, beside 100,000 other sources of the same convention.
 */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
});
afterEach(() => bench.dispose());

const others = 100_000;
const perBatch = 300;
/** Entries that a record may cost at each table: unique checks, proofs and updates read it again. */
const entriesPerRecord = 40;

const tables = ['sources', 'records', 'batch_records', 'batches', 'outcomes'];

/** What is read of the growing tables from now until `read` is called. */
async function meter() {
  const owner = bench.open('owner', { max: 1 });
  const now = async () => {
    await owner.sql`select pg_stat_force_next_flush()`;
    const rows = await owner.sql<{ name: string; entries: number }[]>`
      select t.relname as name, (t.seq_tup_read + coalesce(sum(i.idx_tup_read), 0))::float8 as entries
      from pg_stat_user_tables t left join pg_stat_user_indexes i on i.relid = t.relid
      where t.relname = any (${tables}) group by t.relid, t.relname, t.seq_tup_read`;
    return new Map(rows.map(({ name, entries }) => [name, entries]));
  };
  // Sessions report what they have read at most once a second, or when they are told to.
  const flush = async () => {
    for (let i = 0; i < 12; i += 1) await bench.database.sql`select pg_stat_force_next_flush()`;
  };
  await flush();
  const before = await now();
  return {
    async read() {
      await flush();
      const after = await now();
      return tables.map((name) => ({ name, entries: (after.get(name) ?? 0) - (before.get(name) ?? 0) }));
    },
  };
}

/** Sources and published records beside those of the test, as the owner, without their proofs. */
async function crowd(convention: string): Promise<void> {
  const owner = bench.open('owner', { max: 1 });
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      insert into sources (convention, source_id, record_id, last_batch)
      select ${convention}, 'other-' || n, gen_random_uuid(), gen_random_uuid()
      from generate_series(1, ${others}::int) n`;
    await tx`
      insert into records (srn, convention, source_id, version, schema_id, schema_version, content_digest, metadata, batch_record)
      select 'urn:osa:localhost:rec:' || ${convention} || '-' || n || '@1', ${convention}, 'other-' || n, 1, 'bench-record', '1.0.0', 'x', '{}', ${convention === 'bench' ? 0 : -1_000_000}::int - n
      from generate_series(1, ${others}::int) n`;
  });
}

const hook = hookCode(
  "return metadata.value < 0 ? { reason: 'negative' } : { features: [{ value: metadata.value }] };",
);
const upload = (start: number, sign = 1) =>
  Array.from({ length: perBatch }, (_, index) => record(`s-${start + index}`, sign * (start + index + 1)));

/** Brings the statistics into a state, before the convention has its 100,000 sources. */
async function prepare(state: string): Promise<void> {
  const owner = bench.open('owner', { max: 1 });
  for (const table of tables) await owner.sql.unsafe(`alter table ${table} set (autovacuum_enabled = off)`);
  if (state === 'of another convention') {
    await crowd('elsewhere');
    await owner.sql.unsafe('analyze');
  }
  await bench.ingest(upload(0), perBatch);
  await bench.drain();
  if (state === 'old') await owner.sql.unsafe('analyze');
  await crowd('bench');
}

test.each(['absent', 'old', 'of another convention'])(
  'an upload, its claim and commit, a repeat and a retry read a few entries a record when statistics are %s',
  async (state) => {
    await bench.deploy({ doubled: { code: hook } });
    await prepare(state);
    const steps: Record<string, readonly { name: string; entries: number }[]> = {};
    const measure = async (name: string, work: () => Promise<unknown>) => {
      const counting = await meter();
      await work();
      steps[name] = await counting.read();
    };
    await measure('upload', () => bench.ingest(upload(1_000), perBatch));
    await measure('claim and commit', () => executeNext(bench.execution, new AbortController().signal));
    await measure('unchanged', async () => {
      await bench.ingest(upload(1_000), perBatch);
      await bench.drain();
    });
    const failed = await bench.ingest(upload(2_000, -1), perBatch);
    await bench.drain();
    await measure('retry', () => retryIngestion(bench.store, { principal: admin }, failed.id));
    const over = Object.entries(steps).flatMap(([step, reads]) =>
      reads.filter(({ entries }) => entries > entriesPerRecord * perBatch).map((read) => ({ step, ...read })),
    );
    expect(over).toEqual([]);
    const [{ published } = { published: 0 }] = await bench.database.sql<{ published: number }[]>`
      select count(*)::int as published from records where convention = 'bench' and source_id like 's-%'`;
    expect(published).toBe(2 * perBatch);
  },
  120_000,
);

test('a batch whose claim fails goes behind the others, with its reason, and names itself', async () => {
  await bench.deploy({ doubled: { code: hook } });
  const broken = await bench.ingest(upload(0), perBatch);
  const owner = bench.open('owner', { max: 1 });
  await owner.sql.unsafe(`
    create function break_claim() returns trigger language plpgsql as $$
    begin
      if new.batch in (select id from batches where ingestion = '${broken.id}') then
        raise exception 'this claim cannot be done';
      end if;
      return new;
    end $$;
    create trigger break_claim before insert on runs for each row execute function break_claim()`);
  const good = await bench.ingest(upload(1_000), perBatch);
  const told: unknown[] = [];
  const execution = {
    ...bench.execution,
    log: (event: string, details: object) => told.push({ event, ...details }),
  };
  while (await executeNext(execution, new AbortController().signal));
  expect(told).toContainEqual(
    expect.objectContaining({
      event: 'batch.claim_failed',
      convention: 'bench',
      ingestion: broken.id,
      failures: 1,
    }),
  );
  const rows = await bench.database.sql`
    select ingestion = ${good.id} as good, status, claim_failures, reason like '%while the batch was claimed%' as told,
           available_at > now() as later
    from batches order by good`;
  expect(rows).toMatchObject([
    { good: false, status: 'queued', claim_failures: 1, told: true, later: true },
    { good: true, status: 'done', claim_failures: 0 },
  ]);
  await owner.sql.unsafe('drop trigger break_claim on runs');
});
