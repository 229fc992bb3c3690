import { listDepositions } from '@osa/core/deposition/read';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { executeNext } from '@osa/core/run/execute';
import { traceRecord } from '@osa/core/trace/trace';
import { expect, test } from 'vitest';
import { acts, ada, checking, curator, second } from '../deposition/deposition-support.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { boundedReads, stopAutovacuum } from '../support/database/table-reads.ts';

/** An act on one deposition costs what it costs alone, beside 10,000 others in review and as many that came back. */

const others = 10_000;
/** Index entries and rows of one table that a step may read: checks and triggers read its own again. */
const entriesPerStep = 300;
const tables = [
  ...[
    'depositions',
    'deposition_files',
    'private_batches',
    'held_runs',
    'held_rows',
    'reviews',
    'ingestions',
  ],
  ...['batches', 'batch_gates', 'batch_records', 'sources', 'runs', 'attempts', 'outcomes', 'records'],
];

test.each(['without statistics', 'with old statistics'] as const)(
  '%s each step of a deposition reads its own rows by index',
  { timeout: 240_000 },
  async (state) => {
    const bench = await coreArchive();
    try {
      const owner = bench.open('owner', { max: 1 });
      await bench.deploy({ checks: { code: checking } }, { curation: 'manual' });
      await stopAutovacuum(owner);
      const app = bench.open('app', { max: 1 });
      // From the sixth time on a session may keep a plan.
      for (let round = 0; round < 6; round += 1) {
        await allSteps(bench, app, async (_step, run) => run());
      }
      if (state === 'with old statistics') await owner.sql`analyze`;
      await crowd(owner);
      // Tables with few rows may be read whole.
      const bounds = { tables, small: tables, entriesPerRecord: entriesPerStep, wholeFrom: others };
      const { measure, over } = boundedReads(app, bounds);
      await allSteps(bench, app, (step, run) => measure(step, 1, run));
      expect(over).toEqual([]);
    } finally {
      await bench.dispose();
    }
  },
);

type Measure = <T>(step: string, run: () => Promise<T>) => Promise<T>;

async function allSteps(bench: CoreArchive, app: Database, measure: Measure): Promise<void> {
  const store = postgresStore(app, { domain: 'localhost' });
  const execution = { ...bench.execution, queue: postgresQueue(app, { domain: 'localhost' }) };
  const run = () => executeNext(execution, new AbortController().signal);
  const as = (who: typeof ada) => acts({ ...bench, store }, who);
  const deposit = async (value: number) => {
    const { id } = await measure('create', () => as(ada).create({ value }));
    await measure('submit', () => as(ada).submit(id));
    return id;
  };
  const deposited = async () => {
    const id = await deposit(1);
    expect(await measure('claim, run and hold', run)).toBe(true);
    expect((await measure('show', () => store.depositions.show(id)))?.status).toBe('in_review');
    return id;
  };
  const back = await deposit(-1);
  await measure('claim, run and give back', run);
  await measure('edit', () => as(ada).edit(back, { value: 2 }));
  await measure('submit again', () => as(ada).submit(back));
  await measure('withdraw', () => as(ada).withdraw(back));
  const rejected = await deposited();
  await measure('reject', () => as(curator).reject(rejected, 'no'));
  const held = await deposited();
  await measure('withdraw from review', () => as(ada).withdraw(held));
  const id = await deposited();
  const accepted = await measure('approve', () => as(second).approve(id));
  await measure('trace', () => traceRecord(store, String(accepted.record_srn)));
  const page = { limit: 20, cursor: undefined, status: undefined };
  await measure('list own', () => listDepositions(store, ada, { ...page, of: 'own' }));
  await measure('list what is in review', () => listDepositions(store, curator, { ...page, of: 'review' }));
  await measure('upload', () => bench.ingest([record('upload', 1)]));
  await measure('claim, run and commit an upload', run);
}

/** Depositions of somebody else, without proofs: half are in review, with an answer of one row, half came back. */
async function crowd(owner: Database): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`insert into actors (issuer, subject, uuid) values ('people', 'crowd', gen_random_uuid())`;
    await tx`
      create temporary table crowd on commit drop as
      select gen_random_uuid() as deposition, gen_random_uuid() as ingestion, gen_random_uuid() as batch, gen_random_uuid() as run,
             n % 2 = 0 as held, (select id from actors where subject = 'crowd') as actor
      from generate_series(1, ${2 * others}::integer) n`;
    await tx`
      insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor, deposition,
                              curation, approve_own, sealed_at)
      select c.ingestion, v.slug, v.schema_id, v.schema_version, 1, 'x', c.actor, c.deposition, 'manual', false, now()
      from crowd c, conventions v`;
    await tx`
      insert into depositions (id, convention, owner, metadata, status, submission)
      select deposition, 'bench', actor, '{"value":1}', case when held then 'in_review' else 'draft' end, ingestion from crowd`;
    await tx`insert into private_batches (batch, ingestion, deposition) select batch, ingestion, deposition from crowd`;
    await tx`
      insert into batches (id, ingestion, convention, index, status, fence, snapshot_at, finished_at, records, rejected)
      select batch, ingestion, 'bench', 0, case when held then 'held' else 'done' end, 1, now(),
             case when not held then now() end, 1, case when held then 0 else 1 end
      from crowd`;
    await tx`
      insert into sources (convention, source_id, record_id, last_batch)
      select 'bench', 'deposition-' || deposition, gen_random_uuid(), batch from crowd`;
    await tx`
      insert into batch_records (batch, source_id, line, metadata, content_digest, status, reason)
      select batch, 'deposition-' || deposition, 1, '{"value": 1}', sha256('x'),
             case when held then 'pending' else 'rejected' end, case when not held then 'no' end
      from crowd`;
    await tx`
      insert into runs (id, batch, hook, version, status, started_at, finished_at, row_count)
      select run, batch, 'checks', 1, case when not held then 'passed' end, case when not held then now() end,
             case when not held then now() end, case when not held then 0 end
      from crowd`;
    await tx`
      insert into held_runs (run, batch, fence, status, output_digest, row_count, result)
      select run, batch, 1, 'passed', repeat('a', 64), 1, '{}' from crowd where held`;
    await tx`insert into held_rows (run, position, chunk) select run, 0, '{"rowCount":1}' from crowd where held`;
  });
}
