import { rollback } from '@osa/core/hook/live';
import {
  cancelRecompute,
  pauseRecompute,
  resumeRecompute,
  retryRecompute,
} from '@osa/core/recompute/control';
import { recompute } from '@osa/core/recompute/recompute';
import type { Claimant } from '@osa/core/run/queue';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { refusal } from '../support/database/registry-support.ts';
import { rowsOf, shown, writer } from './recompute-support.ts';

/** A recompute is held up, ended and gone on with; what runs meanwhile writes nothing that it must not. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const plain = (version: number) => ({ code: hookCode(`return { features: [{ value: ${version} }] }`) });
const worker: Claimant = { name: 'other', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] };

async function begun(): Promise<string> {
  await bench.deploy({ probe: plain(1) });
  await bench.ingest([record('a', 1), record('b', 1)]);
  await bench.drain();
  await bench.deploy({ probe: plain(2) });
  return (await recompute(bench.store, writer, 'probe', {})).id;
}

const old = ['a 1 v1', 'b 1 v1'];
const healed = ['a 1 v1 (history)', 'a 2 v2', 'b 1 v1 (history)', 'b 2 v2'];

test('a paused recompute is not run, and goes on when it is resumed', async () => {
  const id = await begun();
  const paused = await pauseRecompute(bench.store, writer, id, { reason: 'to look' });
  expect(paused).toMatchObject({ status: 'paused', changed: true, paused: { reason: 'to look' } });
  expect(await pauseRecompute(bench.store, writer, id, {})).toMatchObject({ ...paused, changed: false });
  await bench.drain();
  expect(await rowsOf(bench)).toEqual(old);
  expect(await resumeRecompute(bench.store, writer, id)).toMatchObject({ changed: true });
  expect(await resumeRecompute(bench.store, writer, id)).toMatchObject({ changed: false });
  await bench.drain();
  expect(await rowsOf(bench)).toEqual(healed);
  expect((await refusal(pauseRecompute(bench.store, writer, id, {}))).code).toBe('conflict');
});

test('a pause holds back batches that are cut already, too', async () => {
  const id = await begun();
  const claim = await bench.execution.queue.claim(worker);
  await bench.execution.queue.postpone(claim ?? { batch: '', fence: '' }, {
    reason: null,
    delayMs: 0,
    failed: false,
  });
  await pauseRecompute(bench.store, writer, id, {});
  expect(await bench.execution.queue.claim(worker)).toBeUndefined();
});

test('a cancellation stops what runs, rows stay as they were, and a retry goes on', async () => {
  const id = await begun();
  const { queue } = bench.execution;
  const late = await queue.claim(worker);
  const cancelled = await cancelRecompute(bench.store, writer, id, { reason: 'the wrong release' });
  expect(cancelled).toMatchObject({ status: 'cancelled', errored: 2, passed: 0 });
  if (!late) throw new Error('nothing was claimed');
  expect((await refusal(queue.finish(late, []))).code).toBe('lease_lost');
  await bench.drain();
  expect(await rowsOf(bench)).toEqual(old);
  expect(await cancelRecompute(bench.store, writer, id, {})).toEqual({
    ...(await shown(bench, id)),
    changed: false,
  });
  expect(await retryRecompute(bench.store, writer, id)).toMatchObject({ retried: 2, goes_on: true });
  await bench.drain();
  expect(await shown(bench, id)).toMatchObject({ status: 'completed', passed: 2, errored: 0, retried: 2 });
  expect(await rowsOf(bench)).toEqual(healed);
  expect(await retryRecompute(bench.store, writer, id)).toMatchObject({ retried: 0, goes_on: false });
});

test('one that is cancelled before anything is cut goes on from there', async () => {
  const id = await begun();
  expect(await cancelRecompute(bench.store, writer, id, {})).toMatchObject({
    status: 'cancelled',
    records: 0,
  });
  expect(await retryRecompute(bench.store, writer, id)).toMatchObject({ retried: 0, goes_on: true });
  await bench.drain();
  expect(await rowsOf(bench)).toEqual(healed);
});

test('a move that ends what runs puts the records of a recompute into a new batch', async () => {
  const id = await begun();
  const late = await bench.execution.queue.claim(worker);
  const moved = await rollback(bench.store, writer, 'probe', { cancel_running: true });
  expect(moved.claimed_again).toMatchObject([
    { version: 2, ingestion_id: null, recompute_id: id, batches: 1 },
  ]);
  if (late) expect((await refusal(bench.execution.queue.finish(late, []))).code).toBe('lease_lost');
  await bench.drain();
  // Version 1 is live again, so all of it is overtaken.
  expect(await shown(bench, id)).toMatchObject({ status: 'completed', overtaken: 2, retried: 2, errored: 0 });
  expect(await rowsOf(bench)).toEqual(old);
});

test('later content waits for the recompute of its record', async () => {
  await begun();
  const { queue } = bench.execution;
  const first = await queue.claim(worker);
  expect(first?.recompute).not.toBeNull();
  await bench.ingest([record('a', 2)]);
  expect(await queue.claim(worker)).toBeUndefined();
  await queue.postpone(first ?? { batch: '', fence: '' }, { reason: null, delayMs: 0, failed: false });
  await bench.drain();
  expect(await rowsOf(bench)).toEqual([
    ...['a 1 v1 (history)', 'a 2 v2', 'a 2 v2 (history)', 'b 1 v1 (history)', 'b 2 v2'],
  ]);
});
