import { cancelReplay } from '@osa/core/recompute/replay/cancel';
import { executeReplay } from '@osa/core/recompute/replay/execute';
import { mostTries } from '@osa/core/recompute/replay/policy';
import { replay } from '@osa/core/recompute/replay/replay';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { refusal } from '../support/database/registry-support.ts';
import { replayed, replaying, shown, untouched, writer } from './replay-support.ts';

/** Replays that end without a verdict: what can never be certified is given up, and what nobody wants is cancelled. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: metadata.value }] }') } });
  await bench.ingest([record('a', 1), record('b', 2), record('c', 3)], 1);
  await bench.drain();
  return () => bench.dispose();
});

const rows = ['probe/1', 'probe/2', 'probe/3'];
const stop = new AbortController().signal;

async function eventsOf(id: string): Promise<string[]> {
  const events = await bench.database.sql<{ type: string }[]>`
    select type from events where payload ->> 'replay' = ${id} order by id`;
  return events.map(({ type }) => type);
}

/** Every certificate is refused by the database, with this SQLSTATE. */
async function refusingCertificates(code: string): Promise<void> {
  const owner = bench.open('owner', { max: 1 });
  await owner.sql.unsafe(`
    create function refuse_certificate() returns trigger language plpgsql as
      $$ begin raise exception 'refused' using errcode = '${code}'; end $$;
    create trigger refuse before insert on replay_certificates execute function refuse_certificate()`);
}

test('a part whose end is always refused is given up after as many tries as the policy says, and says why', async () => {
  await refusingCertificates('P0001');
  const before = await untouched(bench);
  const { id } = await replay(bench.store, writer, { rows: rows.slice(0, 1) });
  let tries = 0;
  while (await executeReplay(replaying(bench), stop)) {
    tries += 1;
    await bench.database.sql`update replay_parts set available_at = now() where finished_at is null`;
  }
  expect(tries).toBe(mostTries.failed);
  const { replay: ended, certificates } = await shown(bench, id);
  expect(ended).toMatchObject({
    ...{ status: 'failed', results: 1, identical: 0, differs: 0, cannot: 0 },
    reasons: [expect.stringMatching(/internal error .* given up after 5 tries/)],
    finished_at: expect.any(String),
  });
  expect(certificates).toEqual([]);
  expect(await eventsOf(id)).toEqual(['replay.created', 'replay.finished']);
  expect(await untouched(bench)).toEqual(before);
});

test('a database that never takes the end is asked for a day, and no longer', async () => {
  await refusingCertificates('57014');
  const { id } = await replay(bench.store, writer, { rows: rows.slice(0, 1) });
  expect(await executeReplay(replaying(bench), stop)).toBe(true);
  expect((await shown(bench, id)).replay).toMatchObject({ status: 'running', cannot: 0 });
  const owner = bench.open('owner', { max: 1 });
  await owner.transaction(async (tx) => {
    await tx`alter table replay_parts disable trigger once`;
    await tx`update replay_parts set fence = ${mostTries.all - 1}, available_at = now()`;
    await tx`alter table replay_parts enable trigger once`;
  });
  expect(await executeReplay(replaying(bench), stop)).toBe(true);
  expect((await shown(bench, id)).replay).toMatchObject({
    ...{
      status: 'failed',
      reasons: [expect.stringMatching(/unavailable error .* given up after 300 tries/)],
    },
  });
});

test('a cancellation keeps the certificates that are there, and what runs leaves none', async () => {
  const execution = replaying(bench);
  const { id } = await replay(bench.store, writer, { rows });
  await executeReplay(execution, stop);
  const held = await execution.replays?.claim({ name: 'other', leaseMs: 60_000, runtimes: ['directory'] });
  if (!held || !execution.replays) throw new Error('nothing was claimed');
  const before = await untouched(bench);
  const cancelled = await cancelReplay(bench.store, writer, id, { reason: 'too many' });
  expect(cancelled).toMatchObject({
    ...{ status: 'cancelled', changed: true, results: 3, identical: 1, differs: 0, cannot: 0 },
    reasons: [expect.stringMatching(/^cancelled by .*: too many$/)],
  });
  expect(await execution.replays.renew(held, 60_000)).toBe(false);
  expect((await refusal(execution.replays.finish(held, []))).code).toBe('lease_lost');
  expect((await refusal(execution.replays.giveUp(held, 'late'))).code).toBe('lease_lost');
  expect(await executeReplay(execution, stop)).toBe(false);
  const again = await shown(bench, id);
  const { changed: _, ...left } = cancelled;
  expect(again.replay).toEqual(left);
  expect(again.certificates).toHaveLength(1);
  expect(await eventsOf(id)).toEqual(['replay.created', 'replay.cancelled']);
  expect(await cancelReplay(bench.store, writer, id, {})).toEqual({ ...left, changed: false });
  expect(await untouched(bench)).toEqual(before);
});

test('cancelling takes the right to replay the hook, and a replay that is there; what is done stays done', async () => {
  const { replay: done } = await replayed(bench, { rows: rows.slice(0, 1) });
  expect(await cancelReplay(bench.store, writer, done.id, {})).toEqual({ ...done, changed: false });
  const { id } = await replay(bench.store, writer, { rows: rows.slice(1) });
  const stranger = { principal: { ...admin, scopes: new Set(['replays:write:other']) } };
  const unknown = '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80';
  expect((await refusal(cancelReplay(bench.store, stranger, id, {}))).code).toBe('access_denied');
  expect((await refusal(cancelReplay(bench.store, writer, unknown, {}))).code).toBe('not_found');
  expect((await shown(bench, id)).replay.status).toBe('queued');
});
