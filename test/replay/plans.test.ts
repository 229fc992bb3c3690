import { replayQueue } from '@osa/core/postgres/recompute/replay/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { executeReplay } from '@osa/core/recompute/replay/execute';
import { listCertificates, listRowCertificates, replay } from '@osa/core/recompute/replay/replay';
import { traceRow } from '@osa/core/trace/trace';
import { expect, test } from 'vitest';
import { coreArchive } from '../support/core-archive.ts';
import { answering } from '../support/database/answering.ts';
import { crowd } from '../support/database/crowd.ts';
import { admin } from '../support/database/database.ts';
import { boundedReads, stopAutovacuum } from '../support/database/table-reads.ts';
import { writer } from './replay-support.ts';

/** Replays cost what their own results cost, beside 100,000 others of the same hook and without statistics. */

const known = 100_000;
const perRun = 1_000;
/** Index entries and rows of one table that a result may cost: checks and proofs read it again. */
const entriesPerResult = 40;
const tables = [
  ...['records', 'batch_records', 'batches', 'outcomes', 'runs', 'in_bench', 'events'],
  ...['replays', 'replay_parts', 'replay_outcomes', 'replay_certificates'],
];

test('each step of a replay reads its own results by index', { timeout: 240_000 }, async () => {
  const bench = await coreArchive();
  try {
    const owner = bench.open('owner', { max: 1 });
    await bench.deploy({ in_bench: {} });
    await stopAutovacuum(owner);
    await crowd(owner, { convention: 'bench', hook: 'in_bench', count: known });
    await owner.transaction(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update runs set published_records = ${perRun}, published_rows = ${perRun}, output_digest = repeat('a', 64)`;
    });
    const app = bench.open('app', { max: 1 });
    const store = postgresStore(app, { domain: 'localhost' });
    const execution = { ...bench.execution, replays: replayQueue(app), runners: [answering] };
    const bounds = { tables, entriesPerRecord: entriesPerResult, wholeFrom: known };
    const { measure, over } = boundedReads(app, bounds);
    const all = async () => {
      while (await executeReplay(execution, new AbortController().signal));
    };
    const ids = await app.sql<{ id: string; run: string }[]>`
      select f.id, f.run_id as run from generate_series(1, ${known}::integer, 500) as asked (id)
      cross join lateral (select id, run_id from features.in_bench where id = asked.id offset 0) f order by f.id`;
    const rows = ids.map(({ id }) => `in_bench/${id}`);
    const run = ids[0]?.run ?? '';
    const named = await measure('ask for rows', 200, () => replay(store, writer, { rows }));
    const worker = { name: 'bench', leaseMs: 60_000, runtimes: ['directory'] as const };
    const held = await measure('claim', 1, () => execution.replays.claim(worker));
    expect(held).toBeDefined();
    if (held) await execution.replays.postpone(held, { reason: null, delayMs: 0 });
    await measure('replay rows', 200, all);
    const whole = await measure('ask for a run', perRun, () => replay(store, writer, { run }));
    await measure('replay a run', perRun, all);
    // A place within a run is found by walking over the run's results.
    const drawn = await measure('draw a sample', (20 * perRun) / 10, () =>
      replay(store, writer, { sample: 20, seed: 'a' }),
    );
    await measure('replay a sample', 20, all);
    for (const { id } of [named, whole, drawn]) {
      const shown = await measure('show', 1_000, () => store.replays.show(id));
      expect(shown).toMatchObject({ status: 'done', cannot: 0, differs: 0, identical: shown?.results });
      const query = { limit: 100, cursor: undefined, verdict: undefined };
      await measure('page of certificates', 200, () => listCertificates(store, id, query));
    }
    await measure('list', 1_000, () => store.replays.list({ limit: 10, cursor: undefined }));
    const row = { hook: 'in_bench', id: Number(ids[0]?.id) };
    const page = { limit: 10, cursor: undefined };
    expect(
      (await measure('certificates of a row', 1, () => listRowCertificates(store, row, page))).items,
    ).toHaveLength(2);
    expect((await measure('trace of a row', 2, () => traceRow(store, admin, row))).row.replays).toMatchObject(
      {
        ...{ identical: 2, differs: 0, cannot: 0, last: { verdict: 'identical', replay_id: whole.id } },
      },
    );
    expect(over).toEqual([]);
  } finally {
    await bench.dispose();
  }
});
