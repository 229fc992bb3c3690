import { announceWorker, withdrawWorker } from '@osa/core/postgres/queue/workers';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';

/** Which workers run, and whether one of them can start what waits. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const code = hookCode('return { features: [{ value: 1 }] }');
const image = { image: 'example.org/hook', digest: `sha256:${'ab'.repeat(32)}` };
const announce = (name: string, ...runtimes: ('image' | 'directory')[]) =>
  announceWorker(bench.database, { name, runtimes });

const directory = { hook: 'doubled', version: 1, runtime: 'directory' };
const container = { hook: 'boxed', version: 1, runtime: 'image' };

async function waiting() {
  const { id } = await bench.ingest([record('a', 1)]);
  const shown = async () => (await bench.store.ingestions.show(id))?.unstartable;
  return shown;
}

test('a deploy and what waits name the releases that no running worker can start', async () => {
  const deployed = await bench.deploy({ doubled: { code } });
  expect(deployed.unstartable).toEqual({ workers: 0, releases: [directory] });
  await announce('boxes', 'image');
  const shown = await waiting();
  expect(await shown()).toEqual({ workers: 1, releases: [directory] });
  await announce('both', 'image', 'directory');
  expect(await shown()).toBeNull();
  expect((await bench.deploy({ doubled: { code } })).unstartable).toBeNull();
  expect(await bench.store.workers()).toEqual({
    items: [
      { name: 'both', runtimes: ['image', 'directory'] },
      { name: 'boxes', runtimes: ['image'] },
    ],
  });
  await withdrawWorker(bench.database, 'both');
  expect(await shown()).toEqual({ workers: 1, releases: [directory] });
});

test('a batch needs one worker for all of its hooks', async () => {
  await bench.deploy({ boxed: { image }, doubled: { code } });
  await announce('boxes', 'image');
  await announce('directories', 'directory');
  expect(await (await waiting())()).toEqual({ workers: 2, releases: [container, directory] });
});

test('a worker that has been silent for a minute does not count, and without a worker nothing can start', async () => {
  await bench.deploy({});
  const shown = await waiting();
  await announce('old', 'image', 'directory');
  expect(await shown()).toBeNull();
  await bench.open('owner').sql`update workers set seen_at = now() - interval '61 seconds'`;
  expect(await shown()).toEqual({ workers: 0, releases: [] });
  await announce('old', 'image', 'directory');
  expect(await shown()).toBeNull();
});

test('what has ended waits for no worker', async () => {
  await bench.deploy({ doubled: { code } });
  const shown = await waiting();
  await bench.drain();
  expect(await shown()).toBeNull();
});

test('what a clock ahead has put off or leased goes on when the clock is right, and its worker does not count', async () => {
  await bench.deploy({ doubled: { code } });
  const { sql } = bench.open('owner');
  const { id } = await bench.ingest([record('a', 1)]);
  await announce('old', 'directory');
  await sql`update workers set seen_at = seen_at + interval '2 hours'`;
  await sql`update batches set available_at = available_at + interval '2 hours'`;
  expect(await bench.store.workers()).toEqual({ items: [] });
  await announce('new', 'directory');
  const claimant = { leaseMs: 60_000, runtimes: ['directory'], fullHooks: [] } as const;
  expect(await bench.execution.queue.claim({ name: 'old', ...claimant })).toMatchObject({ fence: '1' });
  await sql`update batches set lease_until = lease_until + interval '2 hours'`;
  await bench.drain();
  expect(await bench.store.ingestions.show(id)).toMatchObject({ status: 'completed', published: 1, rows: 1 });
});
