import type { Answer } from '@osa/core/api';
import { activate, rollback } from '@osa/core/hook/live';
import { pauseHook } from '@osa/core/hook/pause';
import { announceWorker } from '@osa/core/postgres/queue/workers';
import { openBatches } from '@osa/core/postgres/status/queue';
import { unhealedHooks } from '@osa/core/postgres/status/unhealed';
import { recompute } from '@osa/core/recompute/recompute';
import { executeNext } from '@osa/core/run/execute';
import { type DaemonFacts, readStatus } from '@osa/core/status/status';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';
import { boundedReads } from '../support/database/table-reads.ts';

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const facts: DaemonFacts = {
  version: '0.0.0-test',
  domain: 'localhost',
  started_at: new Date(0).toISOString(),
  disk: { total_bytes: 2 ** 40, free_bytes: 2 ** 39 },
};
const writer = { principal: admin };
const good = hookCode('return { features: [{ value: metadata.value }] };');
const bad = hookCode('throw new Error("broken");');
const records = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => record(`s-${from + n}`, n));

async function look(disk = facts.disk): Promise<Answer<'status'>> {
  return readStatus(bench.store, admin, async () => ({ ...facts, disk }));
}

async function workerRuns(): Promise<void> {
  await announceWorker(bench.database, { name: 'one', runtimes: ['directory'] });
}

test('an idle archive needs nobody', async () => {
  await workerRuns();
  const status = await look();
  expect(status).toMatchObject({
    ok: true,
    needs: [],
    failing: [],
    queue: { complete: true, conventions: [] },
  });
  expect(status.database).toMatchObject({
    version: expect.stringMatching(/^\d+/),
    migration: expect.any(String),
  });
  expect(status.workers).toEqual([{ name: 'one', runtimes: ['directory'] }]);
});

test('a release that fails its runs needs a person, and one that passes does not', async () => {
  await workerRuns();
  await bench.deploy({ fine: { code: good } });
  await bench.ingest(records(2));
  await bench.drain();
  expect((await look()).ok).toBe(true);
  await bench.deploy({ fine: { code: bad } });
  await bench.ingest(records(2, 100));
  await bench.drain();
  const status = await look();
  expect(status.ok).toBe(false);
  expect(status.failing).toMatchObject([{ hook: 'fine', version: 2, is_live: true, passed: 0, failed: 1 }]);
  expect(status.needs).toMatchObject([
    { code: 'release_fails', about: 'fine', next: expect.stringContaining('osa hooks rollback fine') },
  ]);
});

test('a heal that leaves results of the bad release needs a person until none is left', async () => {
  await workerRuns();
  const broken = hookCode(
    'return metadata.value === 1 ? { error: "no luck" } : { features: [{ value: 1 }] };',
  );
  const needs = async () => (await look()).needs;
  await bench.deploy({ fine: { code: broken } });
  await bench.deploy({ fine: { code: good } });
  await bench.ingest(records(3));
  await bench.drain();
  const { recompute: heal } = await rollback(bench.store, writer, 'fine', { heal: true });
  expect(await needs()).toEqual([]);
  await bench.drain();
  expect(await needs()).toEqual([
    {
      code: 'unhealed',
      about: 'fine',
      detail: `fine: the heal ${heal?.id} has ended and left current results of v2, of records: 1, rows: 1`,
      next: `osa recomputes show ${heal?.id}, then osa hooks recompute fine --release 2`,
    },
  ]);
  await bench.deploy({ fine: { code: hookCode('return { features: [{ value: 3 }] };') } });
  await recompute(bench.store, writer, 'fine', { releases: [2] });
  await bench.drain();
  expect(await needs()).toEqual([]);
});

test('results that a heal left are named also after later heals and recomputes', async () => {
  await workerRuns();
  const broken = hookCode(
    'return metadata.value === 1 ? { error: "no luck" } : { features: [{ value: 1 }] };',
  );
  await bench.deploy({ fine: { code: broken } });
  await bench.deploy({ fine: { code: good } });
  await bench.ingest(records(3));
  await bench.drain();
  const { recompute: heal } = await rollback(bench.store, writer, 'fine', { heal: true });
  await bench.drain();
  const left = { hook: 'fine', recompute: heal?.id, version: 2, records: 1, rows: 1 };

  await bench.deploy({ fine: { code: hookCode('return { features: [{ value: 3 }] };') } });
  await rollback(bench.store, writer, 'fine', { to: 1, heal: true });
  await bench.drain();
  expect(await unhealedHooks(bench.database.sql)).toEqual([left]);

  const owner = bench.open('owner', { max: 1 });
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      insert into recomputes (id, hook, releases, batch_size, expected_records, expected_rows, actor, cut_at, finished_at)
      select ('ffffffff-ffff-7fff-8fff-' || lpad(n::text, 12, '0'))::uuid, hook, releases, batch_size, 0, 0, actor, now(), now()
      from recomputes cross join generate_series(1, 5000) n where id = ${left.recompute ?? null}`;
  });
  const app = bench.open('app', { max: 1 });
  const { measure, over } = boundedReads(app, {
    ...{ tables: ['recomputes'], entriesPerRecord: 10, wholeFrom: 5_000 },
  });
  expect(await measure('unhealed', 1, () => unhealedHooks(app.sql))).toEqual([left]);
  expect(over).toEqual([]);
});

test('rows of a release that was live again after its heal, and left without one, need nobody', async () => {
  await workerRuns();
  await bench.deploy({ fine: { code: hookCode('return { features: [{ value: 1 }] };') } });
  await bench.deploy({ fine: { code: good } });
  await bench.ingest(records(2));
  await bench.drain();
  await rollback(bench.store, writer, 'fine', { heal: true });
  await bench.drain();
  await activate(bench.store, writer, 'fine', { version: 2 });
  await bench.ingest(records(1, 100));
  await bench.drain();
  await rollback(bench.store, writer, 'fine', {});
  const status = await look();
  expect(status.stale).toMatchObject({ records: 1 });
  expect(status.needs).toEqual([]);
});

test('a run whose attempts time out needs a person before all of them have', async () => {
  await workerRuns();
  await bench.deploy({ slow: { code: hookCode('for (;;) {}'), limits: { timeout_seconds: 1 } } });
  await bench.ingest(records(1));
  const attempt = () => executeNext(bench.execution, new AbortController().signal);
  await attempt();
  expect(await look()).toMatchObject({ needs: [], failing: [] });
  await until('the second attempt', async () => (await attempt()) || undefined);
  const { needs, failing } = await look();
  expect(failing).toEqual([]);
  const [need] = needs;
  expect(need).toMatchObject({ code: 'release_fails', about: 'slow' });
  expect(need?.detail).toContain('timeout');
});

describe('batches that wait', () => {
  test('for nobody need a worker', async () => {
    await bench.deploy({ fine: { code: good } });
    await bench.ingest(records(4), 2);
    const status = await look();
    expect(status.queue.conventions).toMatchObject([
      { convention: 'bench', queued: 2, running: 0, parked: 0, waits: [{ why: 'worker', batches: 2 }] },
    ]);
    expect(status.needs).toMatchObject([{ code: 'no_worker' }]);
  });

  test('because somebody paused their hook need nobody', async () => {
    await workerRuns();
    await bench.deploy({ fine: { code: good } });
    await bench.ingest(records(2));
    await pauseHook(bench.store, { principal: admin }, 'fine', { reason: 'a look' });
    await aged('1 hour');
    const status = await look();
    expect(status.queue.conventions).toMatchObject([{ waits: [{ why: 'paused', batches: 1 }] }]);
    expect(status.paused.hooks).toMatchObject([{ hook: 'fine', paused: { reason: 'a look' } }]);
    expect(status.needs).toEqual([]);
  });

  test('behind an earlier batch with the same source say so', async () => {
    await workerRuns();
    await bench.deploy({ fine: { code: good } });
    await bench.ingest([record('same', 1)]);
    await bench.ingest([record('same', 2)]);
    const waits = (await look()).queue.conventions[0]?.waits ?? [];
    expect(waits.map(({ why, batches }) => [why, batches])).toEqual([
      ['earlier_batch', 1],
      ['worker', 1],
    ]);
  });

  test('whose claims fail need a person', async () => {
    await workerRuns();
    await bench.deploy({ fine: { code: good } });
    await bench.ingest(records(1));
    await bench.open('owner', { max: 1 }).sql.unsafe(`
      create function break_claim() returns trigger language plpgsql as $$
      begin raise exception 'this claim cannot be done'; end $$;
      create trigger break_claim before insert on runs for each row execute function break_claim()`);
    await executeNext(bench.execution, new AbortController().signal);
    const status = await look();
    expect(status.needs).toMatchObject([
      {
        code: 'claim_failures',
        about: 'bench',
        detail: expect.stringContaining('while the batch was claimed'),
      },
    ]);
  });

  test('though workers run and nothing goes before them are stuck', async () => {
    await workerRuns();
    await bench.deploy({ fine: { code: good } });
    await bench.ingest(records(1));
    expect((await look()).needs).toEqual([]);
    await aged('40 seconds');
    expect((await look()).needs).toMatchObject([{ code: 'stuck', about: 'bench' }]);
  });

  test('between two batches of a long queue need nobody, until nothing has ended for 30 seconds', async () => {
    await workerRuns();
    await bench.deploy({ fine: { code: good } });
    await bench.ingest(records(4), 1);
    await aged('1 hour');
    await executeNext(bench.execution, new AbortController().signal);
    const status = await look();
    expect(status.queue.conventions).toMatchObject([{ queued: 3, running: 0 }]);
    expect(status.needs).toEqual([]);
    await past('29 seconds');
    expect((await look()).needs).toEqual([]);
    await past('2 seconds');
    expect((await look()).needs).toMatchObject([{ code: 'stuck', about: 'bench' }]);
  });

  test('of releases that no worker can start need one that can', async () => {
    await workerRuns();
    await bench.deploy({
      fine: { image: { image: 'example.org/fine', digest: `sha256:${'0'.repeat(64)}` } },
    });
    await bench.ingest(records(1));
    expect(await executeNext(bench.execution, new AbortController().signal)).toBe(false);
    expect((await look()).needs).toMatchObject([
      { code: 'parked', about: 'bench', detail: expect.stringContaining('fine v1 (image)') },
    ]);
  });
});

test('a full disk needs a person', async () => {
  const status = await look({ total_bytes: 2 ** 40, free_bytes: 2 ** 29 });
  expect(status.needs).toMatchObject([{ code: 'disk_full', detail: expect.stringContaining('512 MiB') }]);
});

test('status is for those who may read all runs', async () => {
  for (const scope of ['ingestions:read', 'runs:read:fine']) {
    await expect(
      readStatus(bench.store, { ...admin, scopes: new Set([scope]) }, async () => facts),
    ).rejects.toMatchObject({
      code: 'access_denied',
    });
  }
});

test('of a long queue the batches that come first are counted', async () => {
  await bench.deploy({ fine: { code: good } });
  await bench.ingest(records(3), 1);
  const { sql } = bench.database;
  expect(await openBatches(sql, 3)).toMatchObject({ complete: true, conventions: [{ queued: 3 }] });
  expect(await openBatches(sql, 2)).toMatchObject({ complete: false });
});

/** Makes the events look as if they were older, which their owner can do only without triggers. */
async function past(by: string): Promise<void> {
  await bench.open('owner', { max: 1 }).transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update events set at = at - ${by}::text::interval`;
  });
}

/** Makes the open batches look as if they had become available earlier. */
async function aged(by: string): Promise<void> {
  await bench.database.sql`update batches set available_at = available_at - ${by}::text::interval`;
}
