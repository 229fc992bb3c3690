import { activate, rollback } from '@osa/core/hook/live';
import type { Claimant } from '@osa/core/run/queue';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { liveOf } from '../support/database/registry-support.ts';

/** A move of the pointer, or a deploy, stands between the batches claimed before its answer and those claimed after. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const writer = { principal: admin };
const worker: Claimant = { name: 'test', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] };

/** A hook that writes its own version into each row. */
const versioned = (version: number) => ({
  code: hookCode(`return { features: [{ value: ${version} }] }`),
});

test('after the answer to a rollback no batch is claimed with the old release, in 1,000 tries under load', {
  timeout: 240_000,
}, async () => {
  const tries = 1_000;
  await bench.deploy({ probe: versioned(1) });
  await bench.deploy({ probe: versioned(2) });
  const { queue } = bench.execution;
  const load = { claimers: 2, batches: tries };
  const total = tries + load.claimers * load.batches;
  await bench.ingest(
    Array.from({ length: total }, (_, index) => record(`r${index}`, index)),
    1,
  );
  let isOver = false;
  const claimOn = async () => {
    for (let left = load.batches; left > 0 && !isOver; left -= 1) await queue.claim(worker);
  };
  const loads = Array.from({ length: load.claimers }, claimOn);
  const stale: unknown[] = [];
  for (let round = 0; round < tries; round += 1) {
    const isBack = round % 2 === 0;
    const { live_version } = isBack
      ? await rollback(bench.store, writer, 'probe', { to: 1 })
      : await activate(bench.store, writer, 'probe', { version: 2 });
    const claimed = await queue.claim(worker);
    const versions = claimed?.runs.map(({ version }) => version);
    if (live_version !== (isBack ? 1 : 2) || versions?.join() !== String(live_version)) {
      stale.push({ round, live_version, versions });
    }
  }
  isOver = true;
  await Promise.all(loads);
  expect(stale).toEqual([]);
  // The others, too, have the releases that were live when they were claimed.
  const wrong = await bench.database.sql`
    select r.batch, r.version from runs r join batches b on b.id = r.batch
    where r.version <> (select c.to_version from live_changes c where c.hook = r.hook and c.at <= b.snapshot_at
                        order by c.seq desc limit 1)`;
  expect([...wrong]).toEqual([]);
  const [{ claimed } = { claimed: 0 }] = await bench.database.sql<{ claimed: number }[]>`
    select count(*)::integer as claimed from batches where status = 'running'`;
  expect(claimed).toBeGreaterThan(tries + load.claimers);
});

test('a rollback, and a deploy that drops a hook and takes the next schema, do not touch what was claimed before', async () => {
  const { queue } = bench.execution;
  await bench.deploy({ kept: versioned(1), dropped: versioned(1) });
  await bench.deploy({ kept: versioned(2), dropped: versioned(1) });
  const { id } = await bench.ingest(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) => record(name, index)),
    1,
  );
  // Each is claimed by a worker that dies with it, and is run at the end by another one.
  const claimed = async () => {
    const claim = await queue.claim({ ...worker, leaseMs: 60_000 });
    return claim?.runs.map(({ hook, version }) => `${hook} v${version}`).sort();
  };
  const before = [await claimed(), await claimed()];
  await rollback(bench.store, writer, 'kept', { reason: 'in the middle' });
  const between = [await claimed(), await claimed()];
  const fields = [
    { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' },
    { name: 'note', type: 'text', required: false, cardinality: 'exactly_one' },
  ] as const;
  await bench.deploy(
    { kept: versioned(1) },
    { schema: { id: 'bench-record', version: '1.1.0', fields: [...fields] } },
  );
  const later = await bench.ingest([record('g', 6)]);
  const after = [await claimed()];
  expect({ before, between, after }).toEqual({
    before: [
      ['dropped v1', 'kept v2'],
      ['dropped v1', 'kept v2'],
    ],
    between: [
      ['dropped v1', 'kept v1'],
      ['dropped v1', 'kept v1'],
    ],
    after: [['kept v1']],
  });
  expect(await liveOf(bench.store, 'kept')).toBe(1);

  expect(await queue.giveBack(worker.name)).toBe(5);
  await bench.drain();
  expect([await bench.store.ingestions.show(id), await bench.store.ingestions.show(later.id)]).toMatchObject([
    { status: 'completed', published: 6, rows: 10, schema_id: { version: '1.0.0' } },
    { status: 'completed', published: 1, rows: 1, schema_id: { version: '1.1.0' } },
  ]);
  // The code says the same as the release that the row names.
  const rows = await bench.database.sql`
    select f.hook, f.value, run.version, r.schema_version, count(*)::integer as rows
    from (select 'kept' as hook, value, run_id, outcome_id from features.kept
          union all select 'dropped', value, run_id, outcome_id from features.dropped) f
    join runs run on run.id = f.run_id
    join outcomes o on o.id = f.outcome_id
    join batch_records b on b.id = o.batch_record
    join published r on r.batch_record = b.id
    group by 1, 2, 3, 4 order by 1, 2, 3, 4`;
  expect([...rows]).toEqual([
    { hook: 'dropped', value: 1, version: 1, schema_version: '1.0.0', rows: 4 },
    { hook: 'kept', value: 1, version: 1, schema_version: '1.0.0', rows: 4 },
    { hook: 'kept', value: 1, version: 1, schema_version: '1.1.0', rows: 1 },
    { hook: 'kept', value: 2, version: 2, schema_version: '1.0.0', rows: 2 },
  ]);
});
