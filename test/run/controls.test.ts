import { Readable } from 'node:stream';
import { holdAtFailpoints } from '@osa/core/failpoint';
import { pauseHook, resumeHook } from '@osa/core/hook/pause';
import { sha256 } from '@osa/core/hook/release';
import { cancelIngestion, pauseIngestion, resumeIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import { retryIngestion } from '@osa/core/ingestion/retry';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { executeNext } from '@osa/core/run/execute';
import type { Claim, Claimant } from '@osa/core/run/queue';
import { hookSlots } from '@osa/core/run/slots';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';
import { person, refusal } from '../support/database/registry-support.ts';

/** An operator's holds, and the batches that a worker may take. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const double = hookCode('return { features: [{ value: metadata.value * 2 }] }');
const writer = { principal: admin };
const worker: Claimant = { name: 'test', leaseMs: 60_000, runtimes: ['directory'], fullHooks: [] };

function claim(overrides: Partial<Claimant> = {}): Promise<Claim | undefined> {
  return bench.execution.queue.claim({ ...worker, ...overrides });
}

async function ingested(...ids: string[]): Promise<string> {
  const { id } = await bench.ingest(
    ids.map((id) => record(id, 1)),
    1,
  );
  return id;
}

async function shown(id: string) {
  const ingestion = await bench.store.ingestions.show(id);
  if (!ingestion) throw new Error(`ingestion ${id} is gone`);
  return ingestion;
}

/** Runs when a claim has chosen its batch and looked at nothing else yet. */
let atChoice: (() => Promise<unknown>) | undefined;
holdAtFailpoints(async (point) => {
  if (point !== 'claim.mid') return;
  const work = atChoice;
  atChoice = undefined;
  await work?.();
});

describe('a pause between the choice of a batch and its claim', () => {
  const pauses = {
    'of its hook': () => pauseHook(bench.store, writer, 'doubled', {}),
    'of its ingestion': (id: string) => pauseIngestion(bench.store, writer, id, {}),
  };
  test.each(Object.entries(pauses))('%s holds', async (_, pause) => {
    await bench.deploy({ doubled: { code: double } });
    const id = await ingested('a');
    atChoice = () => pause(id);
    expect(await claim()).toBeUndefined();
    expect(await shown(id)).toMatchObject({ batches: { queued: 1 } });
  });

  test.each(Object.entries(pauses))('%s holds where its releases were chosen earlier', async (_, pause) => {
    await bench.deploy({ doubled: { code: double } });
    const id = await ingested('a');
    const dying = await claim();
    if (!dying) throw new Error('nothing was claimed');
    await bench.execution.queue.postpone(dying, { reason: null, delayMs: 0, failed: false });
    atChoice = () => pause(id);
    expect(await claim()).toBeUndefined();
    expect(await shown(id)).toMatchObject({ batches: { queued: 1 } });
  });
});

describe('a paused hook', () => {
  test('runs over no batch until it is resumed, and shows who paused it, when and why', async () => {
    await bench.deploy({ doubled: { code: double } });
    const paused = await pauseHook(bench.store, writer, 'doubled', { reason: 'wrong units' });
    expect(paused).toMatchObject({
      changed: true,
      paused: { reason: 'wrong units', by: { issuer: admin.issuer, subject: admin.subject } },
    });
    const id = await ingested('a', 'b');
    expect(await claim()).toBeUndefined();
    expect((await bench.store.registry.hook('doubled'))?.paused?.reason).toBe('wrong units');
    expect(await shown(id)).toMatchObject({
      status: 'running',
      reasons: ['hook doubled is paused: wrong units'],
    });
    expect(await pauseHook(bench.store, writer, 'doubled', { reason: 'again' })).toEqual({
      ...paused,
      changed: false,
    });
    expect(await resumeHook(bench.store, writer, 'doubled')).toMatchObject({ changed: true, paused: null });
    expect(await resumeHook(bench.store, writer, 'doubled')).toMatchObject({ changed: false });
    await bench.drain();
    expect(await shown(id)).toMatchObject({ status: 'completed', published: 2, reasons: [] });
  });

  test('lets a batch end that runs, and takes none back from a dead worker', async () => {
    await bench.deploy({ doubled: { code: double } });
    await ingested('a', 'b');
    const running = await claim();
    const dying = await claim({ leaseMs: 1 });
    if (!running || !dying) throw new Error('nothing was claimed');
    await pauseHook(bench.store, writer, 'doubled', {});
    expect(await bench.execution.queue.renew(running, 60_000)).toBe(true);
    expect(await claim()).toBeUndefined();
    await resumeHook(bench.store, writer, 'doubled');
    const again = await until('the batch of the dead worker', () => claim());
    expect([again.batch, again.runs.map(({ version }) => version)]).toEqual([
      dying.batch,
      dying.runs.map(({ version }) => version),
    ]);
  });

  test('is a barrier: a claim under way ends before the pause does, and counts', async () => {
    await bench.deploy({ doubled: { code: double } });
    for (let round = 0; round < 30; round += 1) {
      await ingested(`a${round}`, `b${round}`);
      let paused = false;
      const claims = [claim(), claim()].map(async (pending) => {
        const found = await pending;
        return { found, late: paused };
      });
      await pauseHook(bench.store, writer, 'doubled', {});
      paused = true;
      const before = (await Promise.all(claims)).flatMap(({ found }) => found ?? []);
      expect(await claim()).toBeUndefined();
      const stored = await bench.database.sql<{ batch: string }[]>`
        select b.id as batch from batches b, hooks h
        where h.name = 'doubled' and b.snapshot_at > h.paused_at`;
      expect(stored.map(({ batch }) => batch)).toEqual([]);
      await resumeHook(bench.store, writer, 'doubled');
      for (const held of before)
        await bench.execution.queue.postpone(held, { reason: null, delayMs: 0, failed: false });
      await bench.drain();
    }
  });

  test('needs the right to it, and a hook', async () => {
    await bench.deploy({ doubled: { code: double } });
    const other = { principal: person('hooks:write:other') };
    expect((await refusal(pauseHook(bench.store, other, 'doubled', {}))).code).toBe('access_denied');
    expect((await refusal(resumeHook(bench.store, other, 'doubled'))).code).toBe('access_denied');
    expect((await refusal(pauseHook(bench.store, writer, 'nothing', {}))).code).toBe('not_found');
  });
});

describe('a paused ingestion', () => {
  test('is claimed no more until it is resumed, and those behind it wait', async () => {
    await bench.deploy({ doubled: { code: double } });
    const first = await ingested('a', 'b');
    const second = await ingested('a');
    const third = await ingested('c');
    expect(await pauseIngestion(bench.store, writer, first, { reason: 'to look' })).toMatchObject({
      ...{ status: 'paused', changed: true },
      paused: { reason: 'to look' },
    });
    expect(await pauseIngestion(bench.store, writer, first, { reason: 'again' })).toMatchObject({
      ...{ status: 'paused', changed: false },
      paused: { reason: 'to look' },
    });
    await bench.drain();
    expect([await shown(first), await shown(second), await shown(third)]).toMatchObject([
      { status: 'paused', pending: 2 },
      {
        status: 'running',
        pending: 1,
        reasons: [`waits behind ingestion ${first}, which is paused: to look`],
      },
      { status: 'completed', published: 1, reasons: [] },
    ]);
    expect(await resumeIngestion(bench.store, writer, first)).toMatchObject({
      ...{ status: 'running', changed: true },
      paused: null,
    });
    expect(await resumeIngestion(bench.store, writer, first)).toMatchObject({ changed: false });
    await bench.drain();
    expect([await shown(first), await shown(second)]).toMatchObject([
      { status: 'completed', published: 2 },
      { status: 'completed', unchanged: 1 },
    ]);
    expect((await refusal(pauseIngestion(bench.store, writer, first, {}))).code).toBe('conflict');
  });
});

describe('a cancelled ingestion', () => {
  test('keeps what is done, stops what runs, and errors the rest with the reason', async () => {
    await bench.deploy({ doubled: { code: double } });
    const id = await ingested('a', 'b', 'c');
    expect(await executeNext(bench.execution, new AbortController().signal)).toBe(true);
    const running = await claim();
    if (!running) throw new Error('nothing was claimed');
    const { n } = await bench.execution.queue.startAttempt(running, {
      run: running.runs[0]?.id ?? '',
      memoryBytes: 1,
      runner: 'process',
    });
    const cancelled = await cancelIngestion(bench.store, writer, id, { reason: 'the wrong file' });
    expect(cancelled).toMatchObject({
      status: 'cancelled',
      changed: true,
      published: 1,
      errored: 2,
      pending: 0,
    });
    expect(cancelled.reasons).toEqual([`cancelled by ${admin.subject}: the wrong file`]);
    expect(await bench.execution.queue.renew(running, 60_000)).toBe(false);
    const late = bench.execution.queue.finish(running, []);
    expect((await refusal(late)).code).toBe('lease_lost');
    const attempts = await bench.database.sql<{ n: number; ending: string }[]>`
      select n, ending from attempts where run = ${running.runs[0]?.id ?? ''}`;
    expect(attempts).toEqual([{ n, ending: 'abandoned' }]);
    expect(await claim()).toBeUndefined();
    expect(await cancelIngestion(bench.store, writer, id, {})).toEqual({ ...cancelled, changed: false });
    expect(await retryIngestion(bench.store, writer, id)).toMatchObject({ retried: 2 });
    await bench.drain();
    expect(await shown(id)).toMatchObject({ status: 'completed', published: 3, errored: 0 });
  });

  test('is heard of by the worker that runs it, which kills the hook at once', async () => {
    const endless = 'setInterval(() => {}, 1_000);';
    await bench.deploy({ endless: { code: endless } });
    const id = await ingested('a');
    const { execution } = bench;
    const unwatch = await execution.queue.watch((ended) => {
      if (ended !== undefined) execution.held.get(ended)?.();
    });
    const running = executeNext(execution, new AbortController().signal);
    await until('the hook', async () => {
      const [row] = await bench.database.sql`select from attempts where finished_at is null`;
      return row && execution.held.size === 1;
    });
    await cancelIngestion(bench.store, writer, id, {});
    // Nothing else would end it for a minute: its time limit is 60 s, and its lease is renewed every 10 s.
    expect(await running).toBe(true);
    expect(execution.held.size).toBe(0);
    await unwatch();
  });
});

describe('a worker', () => {
  test('leaves batches of hooks that it cannot start to one that can', async () => {
    await bench.deploy({ doubled: { code: double } });
    const id = await ingested('a', 'b');
    expect(await claim({ runtimes: [] })).toBeUndefined();
    expect((await shown(id)).reasons).toEqual([
      'waits for a worker with a runner for doubled v1 (directory)',
    ]);
    const first = await claim({ leaseMs: 1 });
    expect(first?.records).toMatchObject([{ sourceId: 'a' }]);
    // The lease is over, and the batch is still nothing for the other one.
    await until('the end of the lease', async () => {
      const [row] = await bench.database.sql`
        select from batches where status = 'running' and lease_until < clock_timestamp()`;
      return row;
    });
    expect(await claim({ runtimes: [] })).toBeUndefined();
    expect([await claim(), await claim()].map((found) => found?.runs.length)).toEqual([1, 1]);
  });

  test('has slots left for others while a hook takes all that it may', async () => {
    await bench.deploy({ slow: { code: double } });
    for (const id of ['a', 'b', 'c', 'd']) await ingested(id);
    await bench.deploy({ quick: { code: double } }, { slug: 'other', title: 'Other' });
    const bytes = Buffer.from(`${JSON.stringify(record('a', 1))}\n`);
    const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
    await ingest(bench.store, writer, { convention: 'other', batchSize: 1, upload });
    const { queue } = bench.execution;
    const slots = hookSlots(2);
    const next = () => slots.claim((fullHooks) => queue.claim({ ...worker, fullHooks }));
    const held = await Promise.all([next(), next(), next(), next()]);
    expect(held.map((found) => found?.runs[0]?.hook)).toEqual(['slow', 'slow', 'quick', undefined]);
    if (held[0]) slots.free(held[0]);
    expect((await next())?.runs[0]?.hook).toBe('slow');
    expect(await next()).toBeUndefined();
  });

  test('gives up a batch with which workers are lost again and again', async () => {
    await bench.deploy({ doubled: { code: double } });
    const id = await ingested('a', 'b');
    const queue = postgresQueue(bench.database, { domain: 'localhost' });
    await pauseIngestion(bench.store, writer, await ingested('z'), {});
    let deaths = 0;
    await until('the end of the batch', async () => {
      const taken = await queue.claim({ ...worker, leaseMs: 1 });
      if (taken) deaths += 1;
      return (await shown(id)).pending === 0;
    });
    expect(deaths).toBe(20);
    const ended = await shown(id);
    expect(ended).toMatchObject({ status: 'failed', errored: 2, batches: { failed: 2 } });
    expect(ended.reasons.join()).toContain('workers were lost');
    const records = await bench.store.ingestions.records(id, { limit: 2, status: 'failed' });
    expect(records?.items).toMatchObject(
      ['a', 'b'].map(() => ({ reason: 'the batch was given up: 10 workers were lost while they ran it' })),
    );
  });
});
