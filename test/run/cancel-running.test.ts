import { activate, rollback } from '@osa/core/hook/live';
import { pauseHook } from '@osa/core/hook/pause';
import { cancelIngestion, pauseIngestion } from '@osa/core/ingestion/control';
import { executeNext } from '@osa/core/run/execute';
import type { Claim, Claimant } from '@osa/core/run/queue';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';
import { liveOf, refusal } from '../support/database/registry-support.ts';

/** Moves of the pointer say what still runs under the release that they leave, and end it where that is asked for. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

/** Far more than an operator's command waits for locks, 1.5 seconds; without that bound it would wait for ever. */
const answerMs = 10_000;
const writer = { principal: admin };
const worker: Claimant = { name: 'test', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] };
const versioned = (version: number) => ({
  code: hookCode(`return { features: [{ value: ${version} }] }`),
});

async function twoReleases(): Promise<void> {
  await bench.deploy({ probe: versioned(1) });
  await bench.deploy({ probe: versioned(2) });
}

async function claim(): Promise<Claim> {
  const found = await bench.execution.queue.claim(worker);
  if (!found) throw new Error('nothing was claimed');
  return found;
}

async function ingested(ids: readonly string[], batchSize = 1): Promise<string> {
  const { id } = await bench.ingest(
    ids.map((name, index) => record(name, index)),
    batchSize,
  );
  return id;
}

async function rowVersions() {
  const rows = await bench.database.sql<{ source: string; value: number; version: number }[]>`
    select b.source_id as source, f.value, r.version
    from features.probe f join outcomes o on o.id = f.outcome_id join runs r on r.id = f.run_id
    join batch_records b on b.id = o.batch_record order by f.id`;
  return rows.map(({ source, value, version }) => `${source} ${value} v${version}`).sort();
}

test('a move says which batches keep the release that it leaves, by ingestion', async () => {
  await twoReleases();
  const [first, second] = [await ingested(['a', 'b', 'c']), await ingested(['d'])];
  for (let n = 0; n < 4; n += 1) await claim();
  await ingested(['e']);
  expect(await rollback(bench.store, writer, 'probe', {})).toMatchObject({
    live_version: 1,
    claimed_again: [],
    still_running: [
      { version: 2, ingestion_id: first, convention_id: 'bench', batches: 3 },
      { version: 2, ingestion_id: second, convention_id: 'bench', batches: 1 },
    ],
  });
  expect(await bench.store.registry.hook('probe')).toMatchObject({ claimed: [{ version: 2, batches: 4 }] });
  // Nothing runs under the release that this one leaves.
  expect(await activate(bench.store, writer, 'probe', { version: 2 })).toMatchObject({ still_running: [] });
});

describe('with cancel_running', () => {
  test('records are claimed again under the live release, and a worker that commits late writes nothing', async () => {
    await twoReleases();
    const id = await ingested(['a', 'b']);
    const { queue } = bench.execution;
    const [late, waiting] = [await claim(), await claim()];
    const [run] = late.runs;
    await queue.startAttempt(late, { run: run?.id ?? '', memoryBytes: 1, runner: 'process' });
    await queue.postpone(waiting, { reason: 'a node is away', delayMs: 3_600_000, failed: false });
    const answer = await rollback(bench.store, writer, 'probe', { reason: 'wrong', cancel_running: true });
    expect(answer).toMatchObject({
      changed: true,
      still_running: [],
      claimed_again: [{ version: 2, ingestion_id: id, batches: 2 }],
    });
    expect((await refusal(queue.finish(late, []))).code).toBe('lease_lost');
    expect(await queue.renew(late, 60_000)).toBe(false);
    expect(
      (await refusal(queue.startAttempt(late, { run: run?.id ?? '', memoryBytes: 1, runner: 'process' })))
        .code,
    ).toBe('lease_lost');
    await bench.database.sql`update batches set available_at = now() where status = 'queued'`;
    await bench.drain();
    expect(await bench.store.ingestions.show(id)).toMatchObject({
      status: 'completed',
      records: 2,
      published: 2,
      errored: 0,
      retried: 2,
      rows: 2,
      reasons: [],
    });
    expect(await rowVersions()).toEqual(['a 1 v1', 'b 1 v1']);
    const runs = await bench.database.sql<{ version: number; status: string; reason: string | null }[]>`
      select version, status, reason from runs order by version desc, id`;
    const why = `cancelled by ${admin.subject}, who made v1 of probe live: wrong`;
    expect(runs).toEqual([
      { version: 2, status: 'error', reason: why },
      { version: 2, status: 'error', reason: why },
      { version: 1, status: 'passed', reason: null },
      { version: 1, status: 'passed', reason: null },
    ]);
    const attempts = await bench.database.sql<{ ending: string }[]>`
      select ending from attempts where run = ${run?.id ?? ''}`;
    expect(attempts).toEqual([{ ending: 'abandoned' }]);
  });

  test('the hook that runs is killed, and its batch runs under the release gone back to', async () => {
    await bench.deploy({ probe: versioned(1) });
    await bench.deploy({ probe: { code: 'setInterval(() => {}, 1_000);' } });
    const id = await ingested(['a']);
    const { execution } = bench;
    const unwatch = await execution.queue.watch((ended) => {
      if (ended !== undefined) execution.held.get(ended)?.();
    });
    const running = executeNext(execution, new AbortController().signal);
    await until('the hook', async () => {
      const [row] = await bench.database.sql`select from attempts where finished_at is null`;
      return row && execution.held.size === 1;
    });
    await rollback(bench.store, writer, 'probe', { cancel_running: true });
    // Nothing else would end it for a minute.
    expect(await running).toBe(true);
    await bench.drain();
    expect(await bench.store.ingestions.show(id)).toMatchObject({ status: 'completed', published: 1 });
    expect(await rowVersions()).toEqual(['a 1 v1']);
    await unwatch();
  });

  test('exactly those of the release that is left are ended; without a move, those of all that are not live', async () => {
    await twoReleases();
    await bench.deploy({ probe: versioned(3) });
    await activate(bench.store, writer, 'probe', { version: 2 });
    await ingested(['a', 'b', 'c']);
    const old = await claim();
    await activate(bench.store, writer, 'probe', { version: 3 });
    const left = await claim();
    const moved = await rollback(bench.store, writer, 'probe', { to: 1, cancel_running: true });
    expect(moved.claimed_again).toMatchObject([{ version: 3, batches: 1 }]);
    const { queue } = bench.execution;
    expect([await queue.renew(old, 60_000), await queue.renew(left, 60_000)]).toEqual([true, false]);
    const live = await claim();
    const again = await activate(bench.store, writer, 'probe', { version: 1, cancel_running: true });
    expect(again).toMatchObject({ changed: false, claimed_again: [{ version: 2, batches: 1 }] });
    expect([await queue.renew(old, 60_000), await queue.renew(live, 60_000)]).toEqual([false, true]);
    expect(await rollbackNothing()).toEqual([]);
  });

  test('content that came in later stays the newer version, whatever order uploads and moves have', async () => {
    await twoReleases();
    const first = await ingested(['a', 'b'], 10);
    await claim();
    const { id: second } = await bench.ingest([record('a', 7)]);
    await rollback(bench.store, writer, 'probe', { cancel_running: true });
    const { id: third } = await bench.ingest([record('a', 8), record('b', 9)]);
    const { queue } = bench.execution;
    const replacing = await claim();
    expect([replacing.ingestion, await queue.claim(worker)]).toEqual([first, undefined]);
    await queue.postpone(replacing, { reason: null, delayMs: 0, failed: false });
    const order = [];
    for (let n = 0; n < 3; n += 1) {
      const { ingestion } = await claimAndRun();
      order.push(ingestion);
    }
    expect(order).toEqual([first, second, third]);
    const versions = await bench.database.sql<{ source_id: string; values: number[] }[]>`
      select source_id, array_agg((metadata ->> 'value')::float8 order by version) as values
      from published group by source_id order by source_id`;
    expect(versions).toEqual([
      { source_id: 'a', values: [0, 7, 8] },
      { source_id: 'b', values: [1, 9] },
    ]);
  });

  test('a batch that is being written keeps its release and is named; the pointer moves and the others are ended', async () => {
    await twoReleases();
    const id = await ingested(['a', 'b']);
    const [held, other] = [await claim(), await claim()];
    const owner = bench.open('owner', { max: 1 });
    await owner.transaction(async (tx) => {
      await tx`select from batches where id = ${held.batch} for update`;
      const began = performance.now();
      expect(await rollback(bench.store, writer, 'probe', { cancel_running: true })).toMatchObject({
        changed: true,
        claimed_again: [{ version: 2, ingestion_id: id, batches: 1 }],
        still_running: [{ version: 2, ingestion_id: id, batches: 1 }],
      });
      expect(performance.now() - began).toBeLessThan(answerMs);
    });
    expect(await liveOf(bench.store, 'probe')).toBe(1);
    const { queue } = bench.execution;
    expect([await queue.renew(held, 60_000), await queue.renew(other, 60_000)]).toEqual([true, false]);
    await rollback(bench.store, writer, 'probe', { to: 1, cancel_running: true });
    expect(await queue.renew(held, 60_000)).toBe(false);
  });
});

async function rollbackNothing() {
  const answer = await activate(bench.store, writer, 'probe', { version: 1, cancel_running: true });
  return answer.claimed_again;
}

async function claimAndRun(): Promise<{ ingestion: string }> {
  const [before] = await bench.database.sql<{ n: number }[]>`
    select count(*)::integer as n from batches where status = 'done'`;
  expect(await executeNext(bench.execution, new AbortController().signal)).toBe(true);
  const [done] = await bench.database.sql<{ ingestion: string }[]>`
    select ingestion from batches where status = 'done' order by finished_at desc limit 1 offset 0`;
  if (!done || !before) throw new Error('nothing was done');
  return done;
}

describe('while another transaction holds what they need, an answer within two seconds names it', () => {
  const cases: Readonly<
    Record<string, [lock: string, ask: (id: string) => Promise<unknown>, names: string]>
  > = {
    'rollback: the hook': [
      "select from hooks where name = 'probe' for share",
      () => rollback(bench.store, writer, 'probe', {}),
      'hook probe',
    ],
    'activate: the hook': [
      "select from hooks where name = 'probe' for share",
      () => activate(bench.store, writer, 'probe', { version: 1 }),
      'hook probe',
    ],
    'pause of a hook: the hook': [
      "select from hooks where name = 'probe' for share",
      () => pauseHook(bench.store, writer, 'probe', {}),
      'hook probe',
    ],
    'pause of an ingestion: the ingestion': [
      'select from ingestions for share',
      (id) => pauseIngestion(bench.store, writer, id, {}),
      'ingestion',
    ],
    'cancel: a batch': [
      'select from batches for update',
      (id) => cancelIngestion(bench.store, writer, id, {}),
      'a batch of ingestion',
    ],
  };
  test.each(Object.entries(cases))('%s', async (_, [lock, ask, names]) => {
    await twoReleases();
    const id = await ingested(['a', 'b', 'c']);
    const owner = bench.open('owner', { max: 1 });
    await owner.transaction(async (tx) => {
      await tx.unsafe(lock);
      const began = performance.now();
      const error = await refusal(ask(id) as Promise<object>);
      expect(performance.now() - began).toBeLessThan(answerMs);
      expect(error).toMatchObject({ code: 'busy' });
      expect(error.message).toContain(names);
    });
    await ask(id);
  });
});
