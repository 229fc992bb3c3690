import { holdAtFailpoints } from '@osa/core/failpoint';
import { activate, rollback } from '@osa/core/hook/live';
import { pauseHook } from '@osa/core/hook/pause';
import { planRecompute, recompute } from '@osa/core/recompute/recompute';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { backendThatRuns } from '../support/database/postgres-support.ts';
import { refusal } from '../support/database/registry-support.ts';
import { countsOf, recomputed, rowsOf, shown, writer } from './recompute-support.ts';

/** A recompute brings current rows under the live release; what it replaces is kept, and nothing is lost. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const plain = (version: number) => ({ code: hookCode(`return { features: [{ value: ${version} }] }`) });

async function counted() {
  const { kept, real } = await countsOf(bench);
  expect(kept).toEqual(real);
  return kept;
}

test('a release that is named twice is taken once', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  const plan = await planRecompute(bench.store, writer, 'probe', { releases: [1, 1] });
  expect(plan).toMatchObject({ releases: [1], records: 2 });
  const done = await recomputed(bench, { releases: [1, 1] });
  expect(done).toMatchObject({ releases: [1], records: 2, passed: 2, overtaken: 0 });
});

test('rows of other releases are computed again with the live one; the old ones are kept and superseded', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  await bench.ingest([record('c', 1)]);
  await bench.drain();
  const done = await recomputed(bench);
  expect(done).toMatchObject({
    ...{ status: 'completed', releases: [1], expected_records: 2, expected_rows: 2 },
    ...{ records: 2, passed: 2, rejected: 0, errored: 0, overtaken: 0, rows: 2 },
    used: [{ version: 2, batches: 1, records: 2, rows: 2 }],
  });
  expect(await rowsOf(bench)).toEqual(['a 1 v1 (history)', 'a 2 v2', 'b 1 v1 (history)', 'b 2 v2', 'c 2 v2']);
  expect(await counted()).toEqual([{ version: 2, records: 3, rejected: 0, rows: 3 }]);
  const stale = await bench.store.recomputes.staleOf('probe');
  expect(stale).toMatchObject({
    live_version: 2,
    stale_records: 0,
    stale_rows: 0,
    missing: 0,
    recomputes: [],
  });
});

test('a rollback with heal computes exactly the rows of the release that it leaves again', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  await bench.ingest([record('b', 2), record('c', 1)]);
  await bench.drain();
  const answer = await rollback(bench.store, writer, 'probe', { reason: 'wrong', heal: true });
  expect(answer.recompute).toMatchObject({
    ...{ hook_name: 'probe', releases: [2], reason: 'wrong', expected_records: 2 },
    healed: { seq: 3, from_version: 2, to_version: 1 },
  });
  expect(answer.recompute).toEqual(await shown(bench, answer.recompute?.id ?? ''));
  await bench.drain();
  expect(await shown(bench, answer.recompute?.id ?? '')).toMatchObject({ status: 'completed', passed: 2 });
  expect((await rowsOf(bench)).filter((row) => !row.includes('history'))).toEqual([
    'a 1 v1',
    'b 1 v1',
    'c 1 v1',
  ]);
  expect(await counted()).toEqual([{ version: 1, records: 3, rejected: 0, rows: 3 }]);
});

/** Set while the process dies right after a move of the pointer was committed. */
let isDying = false;
/** Called in the transaction of a claim, which holds the hook. */
let claiming: (() => Promise<unknown>) | undefined;
holdAtFailpoints(async (point) => {
  if (point === 'claim.after-snapshot') await claiming?.();
  if (isDying && point === 'live.after-commit') throw new Error('the process died');
});

test('a process that dies right after it has moved the pointer has made the heal too', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  isDying = true;
  const moved = activate(bench.store, writer, 'probe', { version: 1, heal: true });
  await expect(moved.finally(() => (isDying = false))).rejects.toThrow('the process died');
  const { items } = await bench.store.recomputes.list({ limit: 10 });
  expect(items).toMatchObject([{ releases: [2], healed: { seq: 3, from_version: 2, to_version: 1 } }]);
  const transactions = await bench.database.sql`
    select distinct xmin::text from events where type in ('hook.activated', 'recompute.created')
    union select xmin::text from live_changes where seq = 3`;
  expect(transactions).toHaveLength(1);
});

test('a recompute of one hook leaves the rows of the others current', async () => {
  await bench.deploy({ probe: plain(1), other: plain(7) });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2), other: plain(7) });
  expect(await recomputed(bench)).toMatchObject({ status: 'completed', passed: 2 });
  expect(await rowsOf(bench)).toEqual(['a 1 v1 (history)', 'a 2 v2', 'b 1 v1 (history)', 'b 2 v2']);
  expect(await rowsOf(bench, 'other')).toEqual(['a 7 v1', 'b 7 v1']);
});

test('the newest version of a record is computed again, and the rows of an older version stay as they are', async () => {
  const scaled = (by: number) => ({
    code: hookCode(`return { features: [{ value: metadata.value * ${by} }] }`),
  });
  await bench.deploy({ probe: scaled(1) });
  for (const value of [3, 5]) {
    await bench.ingest([record('a', value)]);
    await bench.drain();
  }
  await bench.deploy({ probe: scaled(10) });
  expect(await recomputed(bench)).toMatchObject({ status: 'completed', passed: 1 });
  expect(await rowsOf(bench)).toEqual(['a 3 v1 (history)', 'a 5 v1 (history)', 'a 50 v2']);
  await counted();
});

test('a move that does not move heals nothing', async () => {
  await bench.deploy({ probe: plain(1) });
  expect(await activate(bench.store, writer, 'probe', { version: 1, heal: true })).toMatchObject({
    ...{ changed: false, recompute: null },
  });
});

test('a heal that waits for a claim knows its batch', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.deploy({ probe: plain(2) });
  await bench.ingest([record('a', 1)]);
  const watcher = bench.open('owner', { max: 1 });
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof rollback>>();
  claiming = async () => {
    const waiting = rollback(bench.store, writer, 'probe', { heal: true });
    await backendThatRuns(watcher, 'for no key update');
    resolve(waiting);
  };
  const worker = { name: 'other', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] } as const;
  await bench.execution.queue.claim(worker).finally(() => (claiming = undefined));
  expect(await promise).toMatchObject({
    still_running: [{ version: 2, batches: 1 }],
    recompute: { reasons: ['waits for a batch, claimed under v2 before this began'] },
  });
});

test('a batch that was claimed under the release that is left is waited for, and its rows are healed too', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.deploy({ probe: plain(2) });
  await bench.ingest([record('a', 1)]);
  const worker = { name: 'other', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] } as const;
  const late = await bench.execution.queue.claim(worker);
  const { recompute: begun } = await rollback(bench.store, writer, 'probe', { heal: true });
  expect(begun).toEqual(await shown(bench, begun?.id ?? ''));
  await bench.drain();
  const waiting = await shown(bench, begun?.id ?? '');
  expect([waiting.status, waiting.reasons]).toEqual([
    'running',
    ['waits for a batch, claimed under v2 before this began'],
  ]);
  // The batch goes back, keeps its snapshot, and is run by somebody else.
  await bench.execution.queue.postpone(late ?? { batch: '', fence: '' }, {
    reason: null,
    delayMs: 0,
    failed: false,
  });
  await bench.drain();
  expect(await shown(bench, begun?.id ?? '')).toMatchObject({ status: 'completed', passed: 1 });
  expect(await rowsOf(bench)).toEqual(['a 1 v1', 'a 2 v2 (history)']);
  expect(await counted()).toEqual([{ version: 1, records: 1, rejected: 0, rows: 1 }]);
});

describe('what becomes of a record', () => {
  test('one that the live release rejects has no current rows, and says why', async () => {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('a', 1), record('b', 2)]);
    await bench.drain();
    const picky = hookCode(
      'return metadata.value === 1 ? { reason: "is one" } : { features: [{ value: 2 }] }',
    );
    await bench.deploy({ probe: { code: picky } });
    const done = await recomputed(bench);
    expect(done).toMatchObject({ status: 'completed', passed: 1, rejected: 1 });
    expect(await rowsOf(bench)).toEqual(['a 1 v1 (history)', 'b 1 v1 (history)', 'b 2 v2']);
    expect(await counted()).toEqual([{ version: 2, records: 2, rejected: 1, rows: 1 }]);
    const { items = [] } =
      (await bench.store.recomputes.records(done.id, { limit: 10, status: 'failed' })) ?? {};
    expect(items).toMatchObject([{ source_id: 'a', status: 'rejected', reason: 'probe: is one' }]);
    // A later release gives it rows again.
    await bench.deploy({ probe: plain(3) });
    expect(await recomputed(bench)).toMatchObject({ passed: 2 });
    expect(await counted()).toEqual([{ version: 3, records: 2, rejected: 0, rows: 2 }]);
  });

  test('one that errors keeps its rows, is listed, and can be tried again', async () => {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('a', 1), record('b', 2)]);
    await bench.drain();
    const broken = hookCode(
      'return metadata.value === 1 ? { error: "no luck" } : { features: [{ value: 2 }] }',
    );
    await bench.deploy({ probe: { code: broken } });
    const done = await recomputed(bench);
    expect(done).toMatchObject({ status: 'completed', passed: 1, errored: 1 });
    expect(await rowsOf(bench)).toEqual(['a 1 v1', 'b 1 v1 (history)', 'b 2 v2']);
    expect(await counted()).toEqual([
      { version: 1, records: 1, rejected: 0, rows: 1 },
      { version: 2, records: 1, rejected: 0, rows: 1 },
    ]);
    await bench.deploy({ probe: plain(3) });
    const { retryRecompute } = await import('@osa/core/recompute/control');
    expect(await retryRecompute(bench.store, writer, done.id)).toEqual({
      ...{ id: done.id, retried: 1, batches: 1, goes_on: true },
    });
    await bench.drain();
    expect(await shown(bench, done.id)).toMatchObject({
      ...{ status: 'completed', passed: 2, errored: 0, retried: 1, records: 2 },
      used: [{ version: 2 }, { version: 3, records: 1 }],
    });
    expect(await rowsOf(bench)).toContain('a 3 v3');
  });

  test('one that the live release has published anew meanwhile is overtaken', async () => {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('a', 1), record('b', 1)]);
    await bench.drain();
    await bench.deploy({ probe: plain(2) });
    // The new content waits in front of the recompute.
    await bench.ingest([record('a', 2)]);
    const done = await recomputed(bench);
    expect(done).toMatchObject({ passed: 1, overtaken: 1, records: 2 });
    expect(await rowsOf(bench)).toEqual(['a 1 v1 (history)', 'a 2 v2', 'b 1 v1 (history)', 'b 2 v2']);
    await counted();
  });

  test('one that the hook has never seen is among them by default', async () => {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('a', 1), record('b', 1), record('c', 1)]);
    await bench.drain();
    await bench.deploy({ probe: plain(1), other: plain(7) });
    await bench.ingest([record('c', 2)]);
    await bench.drain();
    expect(await bench.store.recomputes.staleOf('other')).toMatchObject({ missing: 2, stale_records: 0 });
    const begun = await recompute(bench.store, writer, 'other', {});
    const { id } = begun;
    expect(begun).toEqual(await shown(bench, id));
    await bench.drain();
    expect(await shown(bench, id)).toMatchObject({ expected_records: 2, passed: 2, status: 'completed' });
    expect(await rowsOf(bench, 'other')).toEqual(['a 7 v1', 'b 7 v1', 'c 7 v1']);
    expect(await bench.store.recomputes.staleOf('other')).toMatchObject({ missing: 0 });
    const { kept, real } = await countsOf(bench, 'other');
    expect(kept).toEqual(real);
  });
});

test('batches that are claimed after a move of the pointer run the new live release, and the end names both', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1), record('b', 1)], 1);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  await bench.deploy({ probe: plain(3) });
  await activate(bench.store, writer, 'probe', { version: 2 });
  const sizes = bench.open('owner');
  await sizes.sql`alter table recomputes disable trigger once`;
  const { id } = await recompute(bench.store, writer, 'probe', {});
  await sizes.sql`update recomputes set batch_size = 1 where id = ${id}`;
  const { executeNext } = await import('@osa/core/run/execute');
  await executeNext(bench.execution, new AbortController().signal);
  await activate(bench.store, writer, 'probe', { version: 3 });
  await bench.drain();
  expect(await shown(bench, id)).toMatchObject({
    used: [
      { version: 2, records: 1 },
      { version: 3, records: 1 },
    ],
  });
});

test('a record of which several versions are named counts once', async () => {
  await bench.deploy({ probe: plain(1) });
  for (const value of [1, 2]) {
    await bench.ingest([record('a', value)]);
    await bench.drain();
  }
  await bench.deploy({ probe: plain(2) });
  const versions = await bench.database.sql<{ srn: string }[]>`select srn from published`;
  const records = versions.map(({ srn }) => srn);
  expect(records).toHaveLength(2);
  const once = { records: 1, rows: 1 };
  expect(await planRecompute(bench.store, writer, 'probe', { records })).toMatchObject(once);
  expect(await recomputed(bench, { records })).toMatchObject({ expected_records: 1, ...once });
});

test('named records are computed again, and a list with a record that is not there starts nothing', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  const [{ srn } = { srn: '' }] = await bench.database.sql<{ srn: string }[]>`
    select srn from published where source_id = 'b'`;
  const missing = 'urn:osa:localhost:rec:00000000-0000-0000-0000-000000000000@1';
  const refused = await refusal(recompute(bench.store, writer, 'probe', { records: [srn, missing] }));
  expect([refused.code, refused.field, refused.details.records]).toEqual(['not_found', 'records', [missing]]);
  expect(await bench.store.recomputes.list({ limit: 10 })).toMatchObject({ items: [] });
  expect(await recomputed(bench, { records: [srn, srn] })).toMatchObject({ passed: 1, is_list: true });
  expect(await rowsOf(bench)).toEqual(['a 1 v1', 'b 1 v1 (history)', 'b 2 v2']);
});

test('what cannot be computed again is refused', async () => {
  await bench.deploy({ probe: plain(1) });
  await bench.deploy({ probe: plain(2) });
  const asked = (request: object, hook = 'probe') => refusal(recompute(bench.store, writer, hook, request));
  expect((await asked({ releases: [2] })).field).toBe('releases');
  expect((await asked({ releases: [9] })).code).toBe('not_found');
  expect((await asked({ convention: 'nowhere' })).code).toBe('not_found');
  expect((await asked({ records: ['x'] })).field).toBe('records[0]');
  expect((await asked({}, 'nothing')).code).toBe('not_found');
  await pauseHook(bench.store, writer, 'probe', {});
  expect((await asked({})).code).toBe('conflict');
});
