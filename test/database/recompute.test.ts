import { recompute } from '@osa/core/recompute/recompute';
import type { Claim } from '@osa/core/run/queue';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { type AttackedDatabase, expectRefused, rehearse } from '../support/database/sql-attack.ts';

/** The database proves the writes of a recompute: which outcome gives way to which, and that nothing is lost. */

let bench: CoreArchive;
let a: AttackedDatabase;
let held: Claim;
let queued: string;
let ingested: string;

beforeAll(async () => {
  bench = await coreArchive();
  const owner = bench.open('owner');
  a = { app: bench.database, owner } as AttackedDatabase;
  const hook = (value: number) => ({ code: hookCode(`return { features: [{ value: ${value} }] }`) });
  await bench.deploy({ other: hook(0), probe: hook(1) });
  await bench.ingest([record('a', 1), record('b', 1), record('c', 1)]);
  await bench.drain();
  await bench.deploy({ other: hook(0), probe: hook(2) });
  await recompute(bench.store, { principal: admin }, 'probe', {});
  await owner.sql`alter table recomputes disable trigger once`;
  await owner.sql`update recomputes set batch_size = 2`;
  await owner.sql`alter table recomputes enable trigger once`;
  const { queue } = bench.execution;
  const claimed = await queue.claim({
    ...{ name: 'worker', leaseMs: 600_000, runtimes: ['directory'], fullHooks: [] },
  });
  if (!claimed) throw new Error('nothing was claimed');
  held = claimed;
  for (const run of held.runs) {
    const { n } = await queue.startAttempt(held, { run: run.id, memoryBytes: 1, runner: 'test' });
    const end = { ending: 'exited', exitCode: 0, exitSignal: null, detail: null, log: null } as const;
    const digests = { resolvedDigest: run.release.digest, platformDigest: null, logBytes: null };
    await queue.endAttempt({ run: run.id, n }, { ...end, ...digests });
  }
  const [waiting] = await owner.sql<{ id: string }[]>`select id from batches where status = 'queued'`;
  queued = waiting?.id ?? '';
  const [first] = await owner.sql<{ id: string }[]>`select id from batches where ingestion is not null`;
  ingested = first?.id ?? '';
});
afterAll(() => bench.dispose());

const named = (statements: string) =>
  statements
    .replaceAll('$held', `'${held.batch}'`)
    .replaceAll('$queued', `'${queued}'`)
    .replaceAll('$ingested', `'${ingested}'`);

/** An honest commit of the held batch, which has `a` and `b`. */
const steps = {
  batch: `update batches set status = 'done', lease_until = null, finished_at = now(), published = 2, rows = 2
    where id = $held`,
  run: `update runs set status = 'passed', finished_at = now(), row_count = 2 where batch = $held`,
  outcomes: `insert into outcomes (run, batch, hook, batch_record, attempt, status, row_count)
    select r.id, $held, 'probe', c.batch_record, 1, 'passed', 1
    from recompute_records c join runs r on r.batch = c.batch where c.batch = $held`,
  rows: `insert into features.probe (outcome_id, run_id, ordinal, value)
    select o.id, o.run, 0, 9 from outcomes o where o.batch = $held and o.status = 'passed'`,
  supersede: `update outcomes old set superseded_by = n.id
    from outcomes n join recompute_records c on c.batch = n.batch and c.batch_record = n.batch_record
    where n.batch = $held and old.id = c.current_outcome`,
  records: `update recompute_records set status = 'passed' where batch = $held`,
};
type Steps = Partial<Record<keyof typeof steps, string>>;

const commit = (changed: Steps = {}) =>
  named(
    Object.values({ ...steps, ...changed })
      .filter(Boolean)
      .join(';'),
  );

const ofOther = (source: string) => `hook = 'other' and batch_record = (
  select id from batch_records where batch = $ingested and source_id = '${source}')`;
const erring: Steps = {
  batch: steps.batch.replace('published = 2, rows = 2', 'published = 1, errored = 1, rows = 1'),
  run: steps.run.replace('row_count = 2', 'row_count = 1'),
  outcomes: `insert into outcomes (run, batch, hook, batch_record, attempt, status, reason, row_count)
    select r.id, $held, 'probe', c.batch_record, 1, case c.source_id when 'a' then 'errored' else 'passed' end,
           case c.source_id when 'a' then 'no luck' end, case c.source_id when 'a' then 0 else 1 end
    from recompute_records c join runs r on r.batch = c.batch where c.batch = $held`,
  records: `update recompute_records set status = case source_id when 'a' then 'errored' else 'passed' end,
    reason = case source_id when 'a' then 'no luck' end where batch = $held`,
};
const butA = (statement: string) => `${statement} and c.source_id <> 'a'`;

test.each<readonly [string, Steps]>([
  ['a batch of which all pass', {}],
  ['a batch of which one errors, and gives way to nothing', { ...erring, supersede: butA(steps.supersede) }],
])('accepted: %s', async (_, changed) => {
  expect(await rehearse(a.app, commit(changed))).toBe('done');
});

test.each<readonly [string, string, Steps]>([
  ['an old outcome stays current', '23503', { supersede: '' }],
  ['one of them stays current', '23503', { supersede: butA(steps.supersede) }],
  ['one that errored supersedes', '23503', erring],
  ['a record ends otherwise than its outcome', '23503', { records: erring.records ?? '' }],
  ['records are not ended', '23503', { records: '' }],
  ['records are counted wrongly', '23503', { batch: steps.batch.replace('published = 2', 'published = 3') }],
  ['a record gets no outcome', '23503', { outcomes: butA(steps.outcomes), rows: '' }],
  ['an outcome without its rows is counted', '23503', { run: steps.run.replace('= 2', '= 1') }],
  [
    'an outcome of a record that is not in the batch',
    '23503',
    {
      outcomes: `${steps.outcomes}; insert into outcomes (run, batch, hook, batch_record, attempt, status)
        select r.id, $held, 'probe', b.id, 1, 'passed' from runs r, batch_records b
        where r.batch = $held and b.batch = $ingested and b.source_id = 'c'`,
    },
  ],
  [
    'two outcomes are exchanged',
    '23503',
    {
      supersede: `update outcomes old set superseded_by = n.id
        from outcomes n join recompute_records c on c.batch = n.batch and c.batch_record <> n.batch_record
        where n.batch = $held and old.id = c.current_outcome`,
    },
  ],
  [
    'the outcome of another hook gives way',
    '23503',
    {
      supersede: `${steps.supersede}; update outcomes set superseded_by = (
        select max(id) from outcomes where batch = $held) where ${ofOther('b')}`,
    },
  ],
  [
    'an outcome gives way to one of an earlier transaction',
    '23503',
    {
      supersede: `update outcomes set superseded_by = (select max(id) from outcomes where hook = 'other')
        where hook = 'probe' and batch = $ingested and id < (select max(id) from outcomes where hook = 'other')`,
    },
  ],
  [
    'an outcome gives way to one that is not there',
    '23503',
    {
      supersede: `${steps.supersede} and c.source_id <> 'a'; update outcomes set superseded_by = 1000000
        where superseded_by is null and id = (select current_outcome from recompute_records where batch = $held and source_id = 'a')`,
    },
  ],
  [
    'an outcome comes in that has given way',
    '42501',
    {
      outcomes: steps.outcomes
        .replace('row_count)', 'row_count, superseded_by)')
        .replace("'passed', 1", "'passed', 1, 1000000"),
    },
  ],
  [
    'what was current becomes another',
    '42501',
    { supersede: 'update recompute_records set current_outcome = 1' },
  ],
  [
    'another record is computed',
    '42501',
    { supersede: 'update recompute_records set batch_record = batch_record + 1 where batch = $held' },
  ],
])('refused: %s', async (_, code, changed) => {
  await expectRefused(a, 'app', [code], commit(changed));
  await expectRefused(a, 'owner', [code], commit(changed));
});

const run = (hook: string, version: number) =>
  `insert into runs (id, batch, hook, version) values (gen_random_uuid(), $queued, '${hook}', ${version})`;

test.each([
  ['a release that is not live', '23503', run('probe', 1)],
  ['another hook', '23503', run('other', 1)],
  ['a snapshot without its run', '23503', 'update batches set snapshot_at = now() where id = $queued'],
  [
    'records that come in by it',
    '23503',
    `insert into batch_records (batch, source_id, line, metadata, content_digest)
      values ($queued, 'z', 1, '{}', sha256('z'))`,
  ],
  [
    'records of an ingestion',
    '23503',
    "insert into recompute_records (batch, source_id) values ($ingested, 'a')",
  ],
  ['one more record', '23503', "insert into recompute_records (batch, source_id) values ($queued, 'a')"],
  [
    'a batch of both kinds',
    '23514',
    `insert into batches (id, ingestion, recompute, convention, index, records)
      select gen_random_uuid(), i.id, r.id, 'bench', 9, 0 from ingestions i, recomputes r`,
  ],
  [
    'records of no batch',
    '23503',
    "insert into recompute_records (batch, source_id) values (gen_random_uuid(), 'a')",
  ],
  ['a count', '42501', 'insert into current_records (record_set, records) values (9, 9)'],
])('refused: %s', async (_, code, statement) => {
  expect(queued).not.toBe('');
  await expectRefused(a, 'app', [code], named(statement));
});

test('what has given way stays so', async () => {
  await a.app.transaction(async (tx) => tx.unsafe(commit()));
  const ended = "update recompute_records set status = status where status = 'passed'";
  await expectRefused(a, 'app', ['42501'], ended);
  await expectRefused(a, 'owner', ['42501'], ended);
  const old = `hook = 'probe' and batch = '${ingested}' and superseded_by is not null`;
  await expectRefused(a, 'owner', ['42501'], `update outcomes set superseded_by = null where ${old}`);
  await expectRefused(
    a,
    'owner',
    ['42501'],
    `update outcomes set superseded_by = superseded_by where ${old}`,
  );
});
