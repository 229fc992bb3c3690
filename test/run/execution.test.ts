import { readRecords } from '@osa/core/data/read';
import { OsaError } from '@osa/core/error';
import { rollback } from '@osa/core/hook/live';
import { release } from '@osa/core/hook/mint';
import { retryIngestion } from '@osa/core/ingestion/retry';
import { executeNext } from '@osa/core/run/execute';
import { backoffMs, mostTries } from '@osa/core/run/policy';
import type { Ended, Runner } from '@osa/core/run/runner';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import { beforeEach, describe, expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';
import { backendThatRuns } from '../support/database/postgres-support.ts';

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const page = { limit: 100, history: false, release: undefined };
const double = hookCode('return { features: [{ value: metadata.value * 2 }] }');

test('a record becomes rows that name their release, run and record', async () => {
  await bench.deploy({ doubled: { code: double } });
  const { id } = await bench.ingest([record('a', 1), record('b', 2.5)]);
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({
    status: 'completed',
    records: 2,
    published: 2,
    pending: 0,
    rows: 2,
  });
  const { rows } = await readRows(bench.store, 'bench-record', 'doubled', page);
  expect(rows).toMatchObject([
    { value: 2, release: 1 },
    { value: 5, release: 1 },
  ]);
  const [row] = rows;
  const trace = await traceRow(bench.store, admin, { hook: 'doubled', id: Number(row?.id) });
  const live = (await bench.store.registry.hook('doubled'))?.live;
  expect(trace).toMatchObject({
    row: { values: { value: 2 }, current: true },
    record: { source_id: 'a', version: 1, newest_version: 1, line: 1, metadata: { value: 1 } },
    run: {
      status: 'passed',
      attempts: [{ n: 1, ending: 'exited', exit_code: 0, resolved_digest: live?.digest }],
    },
    release: { version: 1, is_live: true, digest: live?.digest, config: {} },
  });
  const story = await traceRecord(bench.store, trace.record.srn);
  expect(story.rows).toMatchObject([{ name: trace.row.name, release: 1, values: { value: 2 } }]);
  expect((await readRecords(bench.store, 'bench-record', page)).rows).toHaveLength(2);
});

describe('what is tried again later', () => {
  const ending: Ended = {
    ending: 'timeout',
    exitCode: 137,
    exitSignal: 'SIGKILL',
    resolvedDigest: '',
    outputDirectory: '/nowhere',
    log: new Uint8Array(),
    logBytes: 0,
    dispose: async () => undefined,
  };
  /** Claims again and again, without the delays; the answer is in milliseconds, as the batch was given back for. */
  async function claims(count: number): Promise<number[]> {
    const delays: number[] = [];
    for (let time = 0; time < count; time += 1) {
      await bench.database.sql`update batches set available_at = clock_timestamp() where status = 'queued'`;
      expect(await executeNext(bench.execution, new AbortController().signal)).toBe(true);
      const [row] = await bench.database.sql<{ seconds: number }[]>`
        select extract(epoch from available_at - clock_timestamp())::float8 as seconds from batches`;
      delays.push(row?.seconds ?? 0);
    }
    return delays;
  }
  const runs = () => bench.database.sql`select hook, status, reason from runs order by hook`;
  const runner = (run: Runner['run']): Runner => ({
    name: 'fake',
    runtimes: ['directory'],
    run,
    sweep: async () => 0,
  });
  /** Instead of the one that runs hooks. */
  const otherBench = async (other: Runner) => {
    await bench.dispose();
    return coreArchive({ runners: [other] });
  };
  const away = () => Promise.reject(new OsaError('unavailable', 'the engine is away'));

  test('is an engine that is away, for a day and five minutes at most at a time', async () => {
    bench = await otherBench(runner(away));
    await bench.deploy({ waiting: { code: double } });
    await bench.ingest([record('a', 1)]);
    const delays = await claims(12);
    for (const [index, delay] of delays.entries()) {
      const expected = Math.min(300, 2 ** (index + 1));
      expect([delay <= expected, delay > expected - 1.5]).toEqual([true, true]);
    }
    expect(await runs()).toEqual([{ hook: 'waiting', status: null, reason: null }]);
    const day = Array.from({ length: 300 }, (_, index) => backoffMs(index + 1)).reduce((sum, ms) => sum + ms);
    expect(mostTries.not_started_unavailable).toBe(300);
    expect(day / 3_600_000).toBeGreaterThan(24);
  });

  test('is counted for each hook by itself', async () => {
    let tries = 0;
    const turns = runner(async ({ hook, release }) => {
      tries += 1;
      // The first hook is away four times, before the second one has its four timeouts.
      if (hook === 'a_first')
        return tries <= 4
          ? away()
          : { ...ending, ending: 'output_too_large', resolvedDigest: release.digest };
      return { ...ending, resolvedDigest: release.digest };
    });
    bench = await otherBench(turns);
    await bench.deploy({ a_first: { code: double }, b_second: { code: double } });
    await bench.ingest([record('a', 1)]);
    const delays = await claims(8);
    expect(delays[4]).toBeLessThanOrEqual(2);
    expect((await runs()).map(({ status }) => status)).toEqual([null, null]);
    await claims(1);
    expect(await runs()).toMatchObject([
      { hook: 'a_first', status: 'failed' },
      { hook: 'b_second', status: 'failed', reason: expect.stringContaining('did not end within') },
    ]);
  });
});

test('rejected, errored, invalid and unchanged records are counted and never cost the others', async () => {
  const code = hookCode(`
    if (id === 'rejected') return { reason: 'not for us' };
    if (id === 'errored') return { error: 'broken', retryable: false };
    if (id === 'forger') return { features: [{ value: 1, run_id: 'x' }] };
    if (id === 'silent') return {};
    return { features: [{ value: metadata.value }] }`);
  await bench.deploy({ picky: { code } });
  await bench.ingest([record('good', 1)]);
  await bench.drain();
  const { id } = await bench.ingest([
    ...['good', 'rejected', 'errored', 'forger', 'silent', 'new'].map((name) => record(name, 1)),
    { source_id: 'invalid', metadata: { value: 'one' } },
  ]);
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({
    status: 'completed',
    records: 7,
    unchanged: 1,
    published: 1,
    rejected: 1,
    errored: 3,
    invalid: 1,
    pending: 0,
  });
  const failed = await bench.store.ingestions.records(id, { limit: 100, status: 'failed' });
  expect(failed?.items.find((item) => item.source_id === 'forger')?.reason).toContain('run_id');
  expect(failed?.items.map((item) => item.source_id)).toEqual([
    'rejected',
    'errored',
    'forger',
    'silent',
    'invalid',
  ]);
});

test('a changed record is published as the next version, under the release that is live then', async () => {
  await bench.deploy({ doubled: { code: double } });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({
    doubled: { code: hookCode('return { features: [{ value: metadata.value * 20 }] }') },
  });
  await bench.ingest([record('a', 3), record('b', 1)]);
  await bench.drain();
  const { rows } = await readRows(bench.store, 'bench-record', 'doubled', page);
  expect(rows).toMatchObject([
    { value: 2, release: 1 },
    { value: 60, release: 2 },
  ]);
  const all = await readRows(bench.store, 'bench-record', 'doubled', { ...page, history: true });
  expect(all.rows).toHaveLength(3);
});

test('retry runs what failed again, in a new batch with a new snapshot', async () => {
  await bench.deploy({ doubled: { code: hookCode("return { error: 'always', retryable: true }") } });
  const { id } = await bench.ingest([record('a', 1), record('b', 2)]);
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ errored: 2, published: 0 });
  await bench.deploy({ doubled: { code: double } });
  expect(await retryIngestion(bench.store, { principal: admin }, id)).toMatchObject({
    retried: 2,
    overtaken: 0,
    batches: 1,
  });
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({
    records: 2,
    errored: 0,
    published: 2,
    retried: 2,
    status: 'completed',
  });
  expect(await retryIngestion(bench.store, { principal: admin }, id)).toMatchObject({ retried: 0 });
});

test('rows of an ingestion are those of the newest try of each record', async () => {
  const picky = { code: hookCode("return id === 'b' ? { error: 'no' } : { features: [{ value: 1 }] }") };
  await bench.deploy({ doubled: { code: double }, picky });
  const { id } = await bench.ingest([record('a', 1), record('b', 2)]);
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ published: 1, errored: 1, rows: 3 });
  await bench.deploy({ doubled: { code: double }, picky: { code: double } });
  const writer = { principal: admin };
  expect(await retryIngestion(bench.store, writer, id)).toMatchObject({ pending: 0, running: [] });
  expect(await bench.store.ingestions.show(id)).toMatchObject({ rows: 2 });
  expect(await retryIngestion(bench.store, writer, id)).toMatchObject({
    retried: 0,
    pending: 1,
    running: [],
  });
  await bench.execution.queue.claim({
    ...{ name: 'other', leaseMs: 1, runtimes: ['directory'], fullHooks: [] },
  });
  expect(await retryIngestion(bench.store, writer, id)).toMatchObject({
    retried: 0,
    pending: 1,
    running: [
      { hook: 'doubled', version: 1, batches: 1 },
      { hook: 'picky', version: 2, batches: 1 },
    ],
  });
  await until('its end', async () => {
    await bench.drain();
    const shown = await bench.store.ingestions.show(id);
    return shown?.status === 'completed' && shown;
  });
  expect(await bench.store.ingestions.show(id)).toMatchObject({ published: 2, errored: 0, rows: 4 });
});

test('db-09: a worker that has lost its lease writes nothing', async () => {
  await bench.deploy({ doubled: { code: double } });
  const { id } = await bench.ingest([record('a', 1)]);
  const { queue } = bench.execution;
  const stale = await queue.claim({ name: 'stale', leaseMs: 1, runtimes: ['directory'], fullHooks: [] });
  expect(stale).toBeDefined();
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ published: 1, rows: 1 });
  if (!stale) return;
  await expect(queue.finish(stale, [])).rejects.toMatchObject({ code: 'lease_lost' });
  await expect(
    queue.startAttempt(stale, { run: stale.runs[0]?.id ?? '', memoryBytes: 1, runner: 'x' }),
  ).rejects.toMatchObject({ code: 'lease_lost' });
});

test('a lease that ends while a start is being stored is no fault of ours', async () => {
  await bench.deploy({ doubled: { code: double } });
  await bench.ingest([record('a', 1)]);
  const { queue } = bench.execution;
  const claim = await queue.claim({ name: 'slow', leaseMs: 1_000, runtimes: ['directory'], fullHooks: [] });
  if (!claim) throw new Error('there was nothing to claim');
  const other = bench.open('owner');
  const start = await other.transaction(async (tx) => {
    await tx`select from batches where id = ${claim.batch} for update`;
    const starting = queue.startAttempt(claim, { run: claim.runs[0]?.id ?? '', memoryBytes: 1, runner: 'x' });
    await backendThatRuns(other, 'insert into attempts');
    await until('the end of the lease', async () => {
      const [row] = await other.sql<{ over: boolean }[]>`
        select lease_until < clock_timestamp() as over from batches where id = ${claim.batch}`;
      return row?.over;
    });
    return { starting };
  });
  expect(await start.starting).toMatchObject({ n: 1 });
});

test('a batch that has its snapshot keeps it through a rollback and a new claim', async () => {
  await bench.deploy({ doubled: { code: double } });
  await bench.ingest([record('a', 1)]);
  const first = await bench.execution.queue.claim({
    name: 'dies',
    leaseMs: 1,
    runtimes: ['directory'],
    fullHooks: [],
  });
  await bench.deploy({ doubled: { code: hookCode('return { features: [{ value: 999 }] }') } });
  await bench.drain();
  expect(first?.runs.map((run) => run.version)).toEqual([1]);
  const { rows } = await readRows(bench.store, 'bench-record', 'doubled', page);
  expect(rows).toMatchObject([{ value: 2, release: 1 }]);
});

test('a hook that fails as a whole costs the other hooks nothing', async () => {
  await bench.deploy({
    crashes: { code: 'process.exit(3)' },
    doubled: { code: double },
  });
  const { id } = await bench.ingest([record('a', 1)]);
  await bench.drain();
  const failed = await bench.store.ingestions.records(id, { limit: 10, status: 'failed' });
  expect(failed?.items).toMatchObject([
    {
      status: 'errored',
      reason: 'crashes: the hook exited with code 3',
      outcomes: [{ status: 'errored' }, { hook: 'doubled', status: 'passed' }],
    },
  ]);
  expect((await readRows(bench.store, 'bench-record', 'doubled', page)).rows).toEqual([]);
});

test('a command that does not exist stops the ingestion with its reason', async () => {
  await bench.deploy({ lost: { code: '', command: ['no-such-command-here'] } });
  const { id } = await bench.ingest([record('a', 1), record('b', 2)], 1);
  await bench.drain();
  const shown = await bench.store.ingestions.show(id);
  expect(shown).toMatchObject({ status: 'failed', errored: 2, pending: 0 });
  expect(shown?.reasons[0]).toContain('no-such-command-here');
});

test('stopping gives the batch back, and the next claim starts from all records', async () => {
  await bench.deploy({ slow: { code: 'setInterval(() => {}, 1000)' } });
  const { id } = await bench.ingest([record('a', 1)]);
  const stop = new AbortController();
  const running = executeNext(bench.execution, stop.signal);
  await until('the start of the code', async () => {
    const [started] = await bench.database.sql`select from attempts where finished_at is null`;
    return started !== undefined;
  });
  stop.abort();
  await running;
  expect(await bench.store.ingestions.show(id)).toMatchObject({ status: 'running', batches: { queued: 1 } });
});

test('a batch whose live release no worker can start waits without a snapshot, and a rollback frees it', async () => {
  await bench.deploy({ doubled: { code: double } });
  const digest = `sha256:${'a'.repeat(64)}`;
  await release(bench.store, { principal: admin }, 'doubled', {
    image: `ghcr.io/acme/doubled@${digest}`,
    source_ref: 'git:2',
    live: true,
  });
  const { id } = await bench.ingest([record('a', 1)]);
  await bench.drain();
  const waiting = await bench.store.ingestions.show(id);
  expect(waiting).toMatchObject({ status: 'running', batches: { parked: 1 } });
  expect(waiting?.reasons[0]).toContain('doubled v2 (image)');
  await rollback(bench.store, { principal: admin }, 'doubled', {});
  const owner = bench.open('owner');
  await owner.sql`update batches set available_at = now()`;
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ status: 'completed', published: 1, rows: 1 });
});

test('zero hooks publish every valid record', async () => {
  await bench.deploy({});
  const { id } = await bench.ingest([record('a', 1), record('b', 2)]);
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ status: 'completed', published: 2, rows: 0 });
});

test('values are stored exactly or not at all', async () => {
  const columns = [
    { name: 'big', json_type: 'integer', required: false },
    { name: 'real', json_type: 'number', required: false },
    { name: 'text', json_type: 'string', required: false },
    { name: 'deep', json_type: 'object', required: false },
    { name: 'at', json_type: 'string', format: 'date-time', required: false },
  ];
  const lines = [
    '{"big":9223372036854775807,"real":-0.0,"text":"\'; drop table hooks;-- \\\\N NULL \\"{}\\"","deep":{"n":12345678901234567890.5}}',
    '{"real":4466835921509653000,"at":"2026-01-02T03:04:05.678901+02:00"}',
  ];
  const code = `import { writeFileSync } from 'node:fs';
writeFileSync(process.env.OSA_OUT + '/features.jsonl', ${JSON.stringify(lines.map((line, index) => `{"id":"r${index}","features":[${line}]}\n`).join(''))});`;
  await bench.deploy({ exact: { code, columns } });
  const { id } = await bench.ingest([record('r0', 1), record('r1', 2)]);
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ published: 2 });
  const { rows } = await readRows(bench.store, 'bench-record', 'exact', page);
  expect(JSON.stringify(rows[0])).toContain('"big":9223372036854775807');
  expect(JSON.stringify(rows[0])).toContain('12345678901234567890.5');
  expect(rows[1]).toMatchObject({ real: 4466835921509653000, at: '2026-01-02T01:04:05.678901+00:00' });
});
