import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { pauseHook, resumeHook } from '@osa/core/hook/pause';
import { runtimes } from '@osa/core/hook/release';
import { announceWorker } from '@osa/core/postgres/queue/workers';
import { replayQueue } from '@osa/core/postgres/recompute/replay/queue';
import { executeReplay } from '@osa/core/recompute/replay/execute';
import { replay } from '@osa/core/recompute/replay/replay';
import type { Runner } from '@osa/core/run/runner';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, scratch } from '../support/database/database.ts';
import { refusal } from '../support/database/registry-support.ts';
import { replayed, replaying, runnerOf, shown, untouched, writer } from './replay-support.ts';

/**
 * Replays that cannot be made: refused at once, or kept as a verdict that names why. And a replay that is broken off.
 */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const stop = new AbortController().signal;
const same = hookCode('return { features: [{ value: metadata.value }] }');
const ask = (request: Parameters<typeof replay>[2]) => refusal(replay(bench.store, writer, request));

async function ingested(
  source: Parameters<CoreArchive['deploy']>[0][string] = { code: same },
): Promise<string[]> {
  await bench.deploy({ probe: source });
  await bench.ingest([record('a', 1), record('b', 2), record('c', 3)]);
  await bench.drain();
  const rows = await bench.database.sql<{ id: string }[]>`select id from features.probe order by id`;
  return rows.map(({ id }) => `probe/${id}`);
}

test('bad input is refused, names its field, and nothing is started', async () => {
  const [row = ''] = await ingested();
  const run = '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80';
  for (const [request, code, field] of [
    [{}, 'invalid', 'rows'],
    [{ rows: [row], run }, 'invalid', 'run'],
    [{ rows: [row], seed: 'a' }, 'invalid', 'seed'],
    [{ run, version: 1 }, 'invalid', 'version'],
    [{ sample: 1, version: 1 }, 'invalid', 'hook'],
    [{ rows: [row, 'probe'] }, 'invalid', 'rows[1]'],
    [{ rows: ['probe/0'] }, 'invalid', 'rows[0]'],
    [{ rows: [row, 'probe/999'] }, 'not_found', 'rows'],
    [{ rows: ['nothing/1'] }, 'not_found', 'rows'],
    [{ run }, 'not_found', 'run'],
    [{ sample: 1, hook: 'nothing' }, 'not_found', 'hook'],
    [{ sample: 1, hook: 'probe', version: 2 }, 'not_found', 'version'],
  ] as const) {
    const refused = await ask(request as Parameters<typeof replay>[2]);
    expect([refused.code, refused.field], JSON.stringify(request)).toEqual([code, field]);
  }
  expect((await ask({ rows: [row, 'probe/998', 'probe/999'] })).details).toMatchObject({
    rows: ['probe/998', 'probe/999'],
  });
  expect(await bench.store.replays.list({ limit: 10, cursor: undefined })).toMatchObject({ items: [] });
});

test('a run that has not ended, or left nothing, cannot be compared with', async () => {
  await bench.deploy({ probe: { code: 'process.exit(3)' } });
  await bench.ingest([record('a', 1)]);
  const { queue } = bench.execution;
  const claim = await queue.claim({ name: 'w', leaseMs: 60_000, runtimes, fullHooks: [] });
  const id = claim?.runs[0]?.id ?? '';
  expect(await ask({ run: id })).toMatchObject({ code: 'conflict', field: 'run' });
  await queue.giveBack('w');
  await bench.drain();
  expect(await ask({ run: id })).toMatchObject({ code: 'conflict', field: 'run' });
  expect(await ask({ sample: 1 })).toMatchObject({ code: 'not_found', field: 'sample' });
});

test('a scope for one hook opens rows and samples of that hook, and no sample of all', async () => {
  const [row = ''] = await ingested();
  const as = (...scopes: string[]) => ({ principal: { ...admin, isAdmin: false, scopes: new Set(scopes) } });
  const asked = (scope: string, request: Parameters<typeof replay>[2]) =>
    replay(bench.store, as(scope), request).then(
      () => 'done',
      (error: unknown) => (error instanceof OsaError ? error.code : error),
    );
  expect(await asked('replays:write:probe', { rows: [row] })).toBe('done');
  expect(await asked('replays:write:probe', { sample: 1, hook: 'probe' })).toBe('done');
  expect(await asked('replays:write:probe', { sample: 1 })).toBe('access_denied');
  expect(await asked('replays:write:other', { rows: [row] })).toBe('access_denied');
  expect(await asked('hooks:write', { rows: [row] })).toBe('access_denied');
  expect(await asked('replays:write', { sample: 1 })).toBe('done');
});

test('a paused hook is refused; a pause that comes later is a barrier, and the parts wait', async () => {
  const [row = ''] = await ingested();
  const { id } = await replay(bench.store, writer, { rows: [row] });
  await pauseHook(bench.store, writer, 'probe', { reason: 'moving' });
  expect(await executeReplay(replaying(bench), stop)).toBe(false);
  expect((await shown(bench, id)).replay).toMatchObject({
    status: 'queued',
    reasons: ['hook probe is paused: moving'],
  });
  expect(await ask({ rows: [row] })).toMatchObject({ code: 'conflict', field: 'hook' });
  expect(await ask({ sample: 1, hook: 'probe' })).toMatchObject({ code: 'conflict', field: 'hook' });
  expect(await ask({ sample: 1 })).toMatchObject({ code: 'not_found', field: 'sample' });
  await resumeHook(bench.store, writer, 'probe');
  expect(await executeReplay(replaying(bench), stop)).toBe(true);
  expect((await shown(bench, id)).replay).toMatchObject({ status: 'done', identical: 1 });
});

test('a row of a directory cannot be replayed where no worker starts directories, and the certificate says so', async () => {
  const [row = ''] = await ingested();
  const images = {
    ...replaying(bench),
    runners: [{ ...runnerOf(bench), runtimes: ['image' as const] }],
  };
  // A worker that can is there: the one that cannot leaves it alone.
  await announceWorker(bench.database, { name: 'able', runtimes: ['directory'] });
  const { id } = await replay(bench.store, writer, { rows: [row] });
  expect(await executeReplay(images, stop)).toBe(false);
  await announceWorker(bench.database, { name: 'able', runtimes: ['image'] });
  expect(await executeReplay(images, stop)).toBe(true);
  const { replay: done, certificates } = await shown(bench, id);
  expect(done).toMatchObject({ status: 'done', cannot: 1, identical: 0 });
  expect(certificates[0]).toMatchObject({
    ...{ verdict: 'cannot', engine: null, made_digest: null },
    reason: expect.stringContaining('runs in a directory, which no running worker starts'),
  });
});

test('code that is gone is named', async () => {
  const [row = ''] = await ingested();
  const gone = {
    ...runnerOf(bench),
    run: () =>
      Promise.reject(new OsaError('not_found', 'digest not found: the store does not have sha256:12')),
  };
  const { certificates } = await replayed(bench, { rows: [row] }, { ...replaying(bench), runners: [gone] });
  expect(certificates).toMatchObject([
    { verdict: 'cannot', reason: expect.stringContaining('digest not found'), resolved_digest: null },
  ]);
});

test('an engine that is away is tried again, five times', async () => {
  const [row = ''] = await ingested();
  let tries = 0;
  const away = {
    ...runnerOf(bench),
    run: () => {
      tries += 1;
      return Promise.reject(new OsaError('unavailable', 'the engine is away'));
    },
  };
  const execution = { ...replaying(bench), runners: [away] };
  const { id } = await replay(bench.store, writer, { rows: [row] });
  for (let round = 1; round <= 5; round += 1) {
    expect(await executeReplay(execution, stop)).toBe(true);
    if (round < 5) {
      expect((await shown(bench, id)).replay).toMatchObject({
        ...{ status: 'running', cannot: 0, reasons: [expect.stringContaining('the engine is away')] },
      });
      expect(await executeReplay(execution, stop)).toBe(false);
    }
    await bench.database.sql`update replay_parts set available_at = now() where finished_at is null`;
  }
  expect(tries).toBe(5);
  expect((await shown(bench, id)).certificates).toMatchObject([
    { verdict: 'cannot', reason: expect.stringContaining('the engine is away') },
  ]);
});

test('time that does not suffice says nothing of the values; code that ends otherwise differs', async () => {
  const place = await scratch();
  const mark = join(place.path, 'again');
  const [row = ''] = await ingested({
    limits: { timeout_seconds: 1 },
    code: `import { existsSync as isThere, readFileSync as read } from 'node:fs';
const mark = ${JSON.stringify(mark)};
if (isThere(mark)) {
  const how = read(mark, 'utf8');
  if (how === 'exit') process.exit(3);
  if (how === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
}
${hookCode(`if (isThere(mark) && read(mark, 'utf8') === 'reject') return { reason: 'no' };
  return { features: [{ value: metadata.value }] }`)}`,
  });
  const as = async (how: string) => {
    await writeFile(mark, how);
    return (await replayed(bench, { rows: [row] })).certificates[0];
  };
  expect(await as('sleep')).toMatchObject({
    ...{ verdict: 'cannot', reason: 'the hook did not end within 1 s', engine: 'process' },
  });
  expect(await as('exit')).toMatchObject({
    ...{ verdict: 'differs', reason: 'passed → errored (the hook exited with code 3)', columns: [] },
  });
  expect(await as('reject')).toMatchObject({ verdict: 'differs', reason: 'passed → rejected (no)' });
  expect(await as('pass')).toMatchObject({ verdict: 'identical' });
  await place.dispose();
}, 60_000);

test('a part whose worker is lost is made by another, and the late one writes nothing', async () => {
  const [row = ''] = await ingested();
  const queue = replayQueue(bench.database);
  const { id } = await replay(bench.store, writer, { rows: [row] });
  const before = await untouched(bench);
  const late = await queue.claim({ name: 'lost', leaseMs: -1, runtimes: ['directory'] });
  expect(await executeReplay(replaying(bench), stop)).toBe(true);
  const done = await shown(bench, id);
  expect(done.replay).toMatchObject({ status: 'done', identical: 1 });
  expect(late).toBeDefined();
  if (late) expect((await refusal(queue.finish(late, []))).code).toBe('lease_lost');
  expect(await shown(bench, id)).toEqual(done);
  expect(await untouched(bench)).toEqual(before);
});

test('a worker that stops gives its part back at once', async () => {
  const [row = ''] = await ingested();
  const { id } = await replay(bench.store, writer, { rows: [row] });
  const stopping = new AbortController();
  const runner = runnerOf(bench);
  const stopped = {
    ...runner,
    run: (...given: Parameters<Runner['run']>) => {
      stopping.abort(new OsaError('interrupted', 'stopping'));
      return runner.run(...given);
    },
  };
  expect(await executeReplay({ ...replaying(bench), runners: [stopped] }, stopping.signal)).toBe(true);
  expect((await shown(bench, id)).replay).toMatchObject({
    ...{ status: 'running', reasons: ['waits for a worker'], cannot: 0 },
  });
  expect(await executeReplay(replaying(bench), stop)).toBe(true);
  expect((await shown(bench, id)).replay).toMatchObject({ status: 'done', identical: 1 });
});

test('a long replay does not hold up a short one', async () => {
  await bench.deploy({ probe: { code: same } });
  await bench.ingest([record('a', 1), record('b', 2), record('c', 3)], 1);
  await bench.drain();
  const long = await replay(bench.store, writer, { sample: 3 });
  const short = await replay(bench.store, writer, { sample: 1 });
  for (let parts = 0; parts < 2; parts += 1) await executeReplay(replaying(bench), stop);
  expect((await shown(bench, short.id)).replay.status).toBe('done');
  expect((await shown(bench, long.id)).replay).toMatchObject({ status: 'running', identical: 1 });
});
